//! Methods that the language itself calls.

use std::future::Future;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Deref, DerefMut, Index, IndexMut, Neg};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use distlock::{LockError, distributed_lock};

use super::support::{Error, support};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amount(u32);

// 127
impl Add for Amount {
    type Output = Self;

    #[distributed_lock("operators:{}:{}", self.0, other.0, on_error = panic)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Add<&Self> for Amount {
    type Output = Result<Self, LockError>;

    #[distributed_lock("operators:checked")]
    fn add(self, other: &Self) -> Self::Output {
        Ok(self + *other)
    }
}

impl AddAssign<u32> for Amount {
    #[distributed_lock("operators:assign", on_error = panic)]
    fn add_assign(&mut self, other: u32) {
        self.0 += other;
    }
}

impl Neg for Amount {
    type Output = i64;

    #[distributed_lock("operators:neg", on_error = |_| 0)]
    fn neg(self) -> i64 {
        -i64::from(self.0)
    }
}

impl Sum for Amount {
    #[distributed_lock("operators:sum", on_error = panic)]
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |sum, amount| sum + amount)
    }
}

#[test]
fn operators_are_locked() {
    support();
    let mut amount = Amount(1) + Amount(2);
    amount += 1;
    assert_eq!((amount.add(&Amount(4)).ok(), -amount), (Some(Amount(8)), -4));
    assert_eq!([amount; 3].into_iter().sum::<Amount>(), Amount(12));
}

#[derive(Default)]
struct Shelf {
    items: Vec<u32>,
    at: usize,
}

// 128
impl Deref for Shelf {
    type Target = [u32];

    #[distributed_lock("operators:deref", on_error = |_| &[])]
    fn deref(&self) -> &[u32] {
        &self.items
    }
}

impl DerefMut for Shelf {
    #[distributed_lock("operators:deref", on_error = panic)]
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.items
    }
}

impl Index<&str> for Shelf {
    type Output = u32;

    #[distributed_lock("operators:index:{name}", on_error = panic)]
    fn index(&self, name: &str) -> &Self::Output {
        &self.items[name.len()]
    }
}

impl IndexMut<&str> for Shelf {
    #[distributed_lock("operators:index:{name}", on_error = panic)]
    fn index_mut(&mut self, name: &str) -> &mut u32 {
        &mut self.items[name.len()]
    }
}

// 129
impl Iterator for Shelf {
    type Item = u32;

    #[distributed_lock("operators:next:{}", self.at, on_error = |_| None)]
    fn next(&mut self) -> Option<Self::Item> {
        let item = *self.items.get(self.at)?;
        self.at += 1;
        Some(item)
    }

    #[distributed_lock("operators:hint", on_error = |_| (0, None))]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.items.len() - self.at, None)
    }
}

#[test]
fn places_and_iterators_are_locked() {
    support();
    let mut shelf = Shelf { items: vec![1, 2, 3], at: 0 };
    shelf["a"] += 5;
    shelf.swap(0, 2);
    assert_eq!((shelf["a"], shelf.len()), (7, 3));
    assert_eq!(shelf.by_ref().take(2).collect::<Vec<_>>(), [3, 7]);
    assert_eq!((shelf.size_hint().0, shelf.last()), (1, Some(1)));
}

struct Closing<'a>(&'a Mutex<Vec<Option<String>>>);

// 130
impl Drop for Closing<'_> {
    #[distributed_lock("operators:drop", on_error = |err| eprintln!("{err}"))]
    fn drop(&mut self) {
        let key = distlock::current().map(|hold| hold.key().to_owned());
        self.0.lock().expect("whole").push(key);
    }
}

#[distributed_lock("operators:drop:around")]
fn around(closing: Closing<'_>) -> Result<(), Error> {
    drop(closing);
    Err(Error::Own("after the drop"))
}

#[test]
fn a_destructor_is_locked_inside_and_outside_of_other_sections() {
    support();
    let seen = Mutex::default();
    drop(Closing(&seen));
    assert!(around(Closing(&seen)).is_err());
    let unwound = std::panic::AssertUnwindSafe(|| {
        let _closing = Closing(&seen);
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(std::panic::catch_unwind(unwound).is_err());
    let key = Some("operators:drop".to_owned());
    assert_eq!(seen.into_inner().expect("whole"), [key.clone(), key.clone(), key]);
}

struct Counting(u32);

// 131
impl Future for Counting {
    type Output = u32;

    #[distributed_lock("operators:poll", on_error = |_| Poll::Pending)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 > 2 {
            return Poll::Ready(self.0);
        }
        self.0 += 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[tokio::test]
async fn each_poll_of_a_future_by_hand_is_a_section() {
    support();
    assert_eq!(Counting(0).await, 3);
    assert!(distlock::current().is_none());
}
