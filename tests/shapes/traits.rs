use std::fmt::Display;

use distlock::distributed_lock;

use super::support::{Error, support};

// 42, 43
trait Account {
    fn id(&self) -> u32;

    #[distributed_lock("traits:account:{}", self.id())]
    fn balance(&self) -> Result<u32, Error> {
        Ok(self.id() * 10)
    }

    #[distributed_lock("traits:account:{id}")]
    fn open(id: u32) -> Result<Self, Error>
    where
        Self: Sized + From<u32>,
    {
        Ok(Self::from(id))
    }
}

struct Plain(u32);
struct Special(u32);

impl From<u32> for Plain {
    fn from(id: u32) -> Self {
        Self(id)
    }
}

impl Account for Plain {
    fn id(&self) -> u32 {
        self.0
    }
}

impl Account for Special {
    fn id(&self) -> u32 {
        self.0
    }

    #[distributed_lock("traits:account:{}", self.id())]
    fn balance(&self) -> Result<u32, Error> {
        Ok(self.id() * 100)
    }
}

#[test]
fn a_default_method_is_locked_and_overridden() {
    support();
    assert_eq!(Plain::open(2).expect("free").balance().expect("free"), 20);
}

#[test]
fn locked_methods_work_through_a_trait_object() {
    support();
    let accounts: [Box<dyn Account>; 2] = [Box::new(Plain(1)), Box::new(Special(1))];
    let sum: Result<u32, Error> = accounts.iter().map(|account| account.balance()).sum();
    assert_eq!(sum.expect("free"), 110);
}

// 44
impl Plain {
    #[distributed_lock("traits:same")]
    fn same(&self, other: &Special) -> Result<u32, Error> {
        Ok(self.0 + other.same()?)
    }
}

impl Special {
    #[distributed_lock("traits:same", wait = "0s")]
    fn same(&self) -> Result<u32, Error> {
        Ok(self.0)
    }
}

#[test]
fn one_key_in_two_types_is_one_lock() {
    support();
    assert_eq!(Plain(1).same(&Special(2)).expect("re-enters"), 3);
}

// 45
trait Labelled {
    fn label(&self) -> Result<String, Error>;
}

impl<T: Display> Labelled for T {
    #[distributed_lock("traits:label:{self}")]
    fn label(&self) -> Result<String, Error> {
        Ok(format!("<{self}>"))
    }
}

#[test]
fn a_blanket_impl_is_locked() {
    support();
    assert_eq!(5.label().expect("free"), "<5>");
}
