use std::pin::Pin;
use std::sync::Arc;

use distlock::distributed_lock;

use super::support::{Error, support};

#[derive(Clone, Default)]
struct Stock {
    n: u32,
    items: Vec<u32>,
}

// 36
impl Stock {
    #[distributed_lock("methods:{n}", n = self.n)]
    fn shared(&self) -> Result<u32, Error> {
        Ok(self.n)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn unique(&mut self) -> Result<u32, Error> {
        self.n += 1;
        Ok(self.n)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn owned(self) -> Result<Vec<u32>, Error> {
        Ok(self.items)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn owned_mut(mut self) -> Result<Self, Error> {
        self.n += 1;
        Ok(self)
    }

    #[allow(clippy::boxed_local, reason = "the receiver is the point")]
    #[distributed_lock("methods:{}", self.n)]
    fn boxed(self: Box<Self>) -> Result<u32, Error> {
        Ok(self.n)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn arc_ref(self: &Arc<Self>) -> Result<Arc<Self>, Error> {
        Ok(Arc::clone(self))
    }

    #[distributed_lock("methods:{}", self.n)]
    fn arc(self: Arc<Self>) -> Result<u32, Error> {
        Ok(self.n)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn pinned(self: Pin<&mut Self>) -> Result<&mut u32, Error> {
        Ok(&mut self.get_mut().n)
    }

    #[distributed_lock("methods:{}", self.n)]
    fn pinned_mut(mut self: Pin<&mut Self>) -> Result<u32, Error> {
        self.as_mut().n += 1;
        self.n += 1;
        Ok(self.n)
    }
}

#[test]
fn every_receiver_keeps_its_type() {
    support();
    let mut stock = Stock { n: 1, items: vec![1] };
    assert_eq!((stock.shared().ok(), stock.unique().ok()), (Some(1), Some(2)));
    assert_eq!(stock.clone().owned().expect("free"), [1]);
    assert_eq!(stock.clone().owned_mut().expect("free").n, 3);
    assert_eq!(Box::new(stock.clone()).boxed().expect("free"), 2);
    let arc = Arc::new(stock.clone());
    assert_eq!(arc.arc_ref().expect("free").arc().expect("free"), 2);
    *Pin::new(&mut stock).pinned().expect("free") += 1;
    assert_eq!(Pin::new(&mut stock).pinned_mut().expect("free"), 5);
}

impl Stock {
    const NAME: &'static str = "stock";

    // 37
    #[distributed_lock("methods:push:{}", Self::NAME)]
    fn push(&mut self, item: u32) -> Result<&mut u32, Error> {
        self.n += 1;
        self.items.push(item);
        self.items.last_mut().ok_or(Error::Own("empty"))
    }

    // 38
    #[distributed_lock("methods:both:{}", self.n)]
    fn both(&mut self) -> Result<u32, Error> {
        *self.push(1)? += 1;
        self.unique()?;
        Ok(self.n)
    }

    // 40
    #[distributed_lock("methods:new:{n}")]
    fn new(n: u32) -> Result<Self, Error> {
        Ok(Self { n, ..Self::default() })
    }

    #[distributed_lock("methods:find:{n}", n = self.n)]
    fn find(&self, wanted: &str) -> Result<Option<&u32>, Error> {
        Ok(self.items.get(wanted.len()))
    }
}

// 37, 38, 39, 40
#[test]
fn methods_borrow_from_self_and_call_one_another() {
    support();
    let mut stock = Stock::new(1).expect("free");
    assert_eq!(stock.both().expect("free"), 3);
    assert_eq!(stock.find("").expect("free"), Some(&2));
}

// 41
struct View<'a, T> {
    values: &'a [T],
}

impl<'a, T: Clone + 'a> View<'a, T> {
    #[distributed_lock("methods:view", on_error = panic)]
    fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.values.iter().cloned()
    }

    #[distributed_lock("methods:view")]
    fn try_iter(&self) -> Result<impl Iterator<Item = &'a T> + use<'a, T>, Error> {
        Ok(self.values.iter())
    }
}

#[test]
fn an_opaque_iterator_borrows_from_self() {
    support();
    let view = View { values: &[1, 2] };
    assert_eq!(view.iter().sum::<u32>(), 3);
    assert_eq!(view.try_iter().expect("free").count(), 2);
}
