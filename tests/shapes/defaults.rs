use std::future::ready;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock, distributed_locks};

use super::support::{Error, current, support};

fn status(error: LockError) -> String {
    match error {
        LockError::Busy(busy) => busy.key.into(),
        error => panic!("{error}"),
    }
}

struct Shop {
    locks: LockManager,
    name: &'static str,
    sold: Vec<u32>,
}

// 174
#[distributed_locks(prefix = "defaults:", manager = self.locks, on_error = status, wait = "0s")]
impl Shop {
    const OPEN: &'static str = "open";

    #[distributed_lock("{id}", hold = hold)]
    fn sell(&mut self, id: u32) -> String {
        self.sold.push(id);
        hold.key().to_owned()
    }

    #[distributed_lock("{}:{}", self.name, Self::OPEN)]
    async fn open(&self) -> String {
        ready(current().unwrap_or_default()).await
    }

    /// Overrides, in another order.
    #[distributed_lock(
        "own",
        on_error = |error| Err(error.into()),
        prefix = "own:",
        manager = locks
    )]
    fn own(locks: &LockManager) -> Result<Option<String>, Error> {
        Ok(current())
    }

    #[distlock::distributed_lock(key = self.name, on_error = panic, prefix = "")]
    pub(super) fn whole(&self) -> Option<String> {
        current()
    }

    #[cfg_attr(all(), distributed_lock(keys = [2, 1]), must_use)]
    fn listed(&self) -> String {
        current().unwrap_or_default()
    }

    fn unlocked() -> Option<String> {
        #[distributed_lock("inner", on_error = panic)]
        fn inner() -> Option<String> {
            current()
        }
        inner()
    }
}

struct Generic<const N: usize>;

trait Store<const N: usize> {
    async fn save(&self) -> Option<String>;
}

// 175
#[distributed_locks(prefix = "defaults:mod:", on_error = |_| None, ttl = "20s")]
mod stores {
    use super::*;

    impl Store<{ 1 + 1 }> for Generic<{ 1 + 2 }> {
        #[distributed_lock("save")]
        async fn save(&self) -> Option<String> {
            current()
        }
    }

    #[distributed_lock("free")]
    pub(super) fn free() -> Option<String> {
        current()
    }

    pub(super) trait Shelf {
        fn name(&self) -> String;

        #[distributed_lock(key = self.name())]
        fn count(&self) -> Option<String> {
            current()
        }
    }

    #[distributed_locks(prefix = "defaults:inner:")]
    pub(super) mod inner {
        use super::*;

        #[distributed_lock("deep", hold = hold)]
        pub(in super::super) fn deep() -> Option<(String, bool)> {
            Some((hold.key().to_owned(), hold.remaining().as_secs() < 20))
        }
    }
}

impl stores::Shelf for u8 {
    fn name(&self) -> String {
        self.to_string()
    }
}

#[async_trait::async_trait]
trait Service {
    async fn handle(&self) -> Result<String, Error>;
}

struct Above(LockManager);
struct Below(LockManager);

#[distributed_locks(manager = self.0, prefix = "defaults:above:")]
#[async_trait::async_trait]
impl Service for Above {
    #[distributed_lock("handle")]
    async fn handle(&self) -> Result<String, Error> {
        Ok(current().unwrap_or_default())
    }
}

#[async_trait::async_trait]
#[distributed_locks(manager = self.0, prefix = "defaults:below:")]
impl Service for Below {
    #[distributed_lock("handle")]
    async fn handle(&self) -> Result<String, Error> {
        Ok(current().unwrap_or_default())
    }
}

macro_rules! shop {
    ($name:ident, $prefix:literal, $wait:expr, $($function:item)*) => {
        struct $name;

        #[distributed_locks(prefix = $prefix, wait = $wait)]
        impl $name {
            #[distributed_lock("first")]
            fn first() -> Result<Option<String>, Error> {
                Ok(current())
            }

            $($function)*
        }
    };
}

shop! {
    Made, "defaults:made:", Duration::from_secs(2),
    #[distributed_lock("second")]
    fn second() -> Result<Option<String>, Error> {
        Ok(current())
    }
}

fn manager() -> LockManager {
    LockManager::connect("memory://").expect("the in-process store needs no server")
}

#[tokio::test]
async fn each_function_of_an_impl_takes_over_the_defaults() {
    support();
    let mut shop = Shop { locks: manager(), name: "corner", sold: Vec::new() };
    assert_eq!(shop.sell(7), "defaults:7");
    assert_eq!(shop.open().await, "defaults:corner:open");
    assert_eq!(Shop::own(&shop.locks).expect("free").as_deref(), Some("own:own"));
    assert_eq!(shop.whole().as_deref(), Some("corner"));
    assert_eq!(shop.listed(), "defaults:2");
    assert_eq!(Shop::unlocked().as_deref(), Some("inner"));
    let _held = shop.locks.mutex("defaults:8").acquire().await.expect("free");
    assert_eq!(shop.sell(8), "defaults:8", "the error, without a wait");
    assert_eq!(shop.sold, [7]);
}

#[tokio::test]
async fn each_item_of_a_module_takes_over_the_defaults() {
    use stores::Shelf as _;

    support();
    assert_eq!(Generic::<3>.save().await.as_deref(), Some("defaults:mod:save"));
    assert_eq!(stores::free().as_deref(), Some("defaults:mod:free"));
    assert_eq!(7_u8.count().as_deref(), Some("defaults:mod:7"));
    assert_eq!(stores::inner::deep(), Some(("defaults:inner:deep".to_owned(), true)));
}

#[tokio::test]
async fn defaults_pass_through_other_macros() {
    let (above, below): (&dyn Service, &dyn Service) = (&Above(manager()), &Below(manager()));
    assert_eq!(above.handle().await.expect("free"), "defaults:above:handle");
    assert_eq!(below.handle().await.expect("free"), "defaults:below:handle");
    support();
    assert_eq!(Made::first().expect("free").as_deref(), Some("defaults:made:first"));
    assert_eq!(Made::second().expect("free").as_deref(), Some("defaults:made:second"));
}
