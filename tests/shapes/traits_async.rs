use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use distlock::distributed_lock;

use super::support::{Error, support};

// 54
trait Native {
    type Item: Default + Send;

    fn id(&self) -> u32;

    #[allow(async_fn_in_trait, reason = "the shape under test")]
    #[distributed_lock("traits_async:native:{}", self.id())]
    async fn by_default(&mut self) -> Result<Self::Item, Error> {
        tokio::task::yield_now().await;
        Ok(Self::Item::default())
    }

    #[allow(async_fn_in_trait, reason = "the shape under test")]
    async fn required(&mut self, item: Self::Item) -> Result<Self::Item, Error>;

    fn declared(&self) -> impl Future<Output = Result<u32, Error>> + Send;

    #[distributed_lock("traits_async:provided:{}", self.id())]
    fn provided(&self) -> impl Future<Output = Result<u32, Error>> + Send
    where
        Self: Sync,
    {
        async { Ok(self.id()) }
    }
}

struct Plain(u32);

impl Native for Plain {
    type Item = u32;

    fn id(&self) -> u32 {
        self.0
    }

    #[distributed_lock("traits_async:required:{item}")]
    async fn required(&mut self, item: Self::Item) -> Result<Self::Item, Error> {
        tokio::task::yield_now().await;
        Ok(std::mem::replace(&mut self.0, item))
    }

    #[distributed_lock("traits_async:declared:{}", self.0)]
    async fn declared(&self) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        Ok(self.0)
    }
}

#[tokio::test]
async fn async_functions_in_traits_are_locked() {
    support();
    let mut plain = Plain(3);
    assert_eq!(plain.by_default().await.expect("free"), 0);
    assert_eq!(plain.required(3).await.expect("free"), 3);
    assert_eq!(plain.declared().await.expect("free"), 3);
    let provided = tokio::spawn(async move { plain.provided().await });
    assert_eq!(provided.await.expect("no panic").expect("free"), 3);
}

// 55
#[async_trait]
trait Boxed: Send + Sync {
    async fn read(&self, name: &str) -> Result<String, Error>;

    async fn write<'a>(&mut self, name: &'a str) -> Result<&'a str, Error>;

    #[distributed_lock("traits_async:default:{count}")]
    async fn by_default(&self, count: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        Ok(count + 1)
    }
}

#[derive(Default)]
struct Store {
    reads: AtomicU32,
    names: Vec<String>,
}

#[async_trait]
impl Boxed for Store {
    #[distributed_lock("traits_async:read:{name}", hold = hold)]
    async fn read(&self, name: &str) -> Result<String, Error> {
        tokio::task::yield_now().await;
        if name.is_empty() {
            return Err(Error::Own("empty"));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(hold.key().to_owned())
    }

    #[distributed_lock("traits_async:write:{}", self.names.len())]
    async fn write<'a>(&mut self, name: &'a str) -> Result<&'a str, Error> {
        tokio::task::yield_now().await;
        self.names.push(name.to_owned());
        Ok(&name[1..])
    }
}

#[tokio::test]
async fn methods_under_async_trait_are_locked_through_a_trait_object() {
    support();
    let mut store: Box<dyn Boxed> = Box::new(Store::default());
    assert_eq!(store.read("a").await.expect("free"), "traits_async:read:a");
    assert!(store.read("").await.is_err());
    assert_eq!(store.write("ab").await.expect("free"), "b");
    let (shared, text): (&dyn Boxed, _) = (&*store, String::from("b"));
    let (one, two) = futures::join!(shared.read("b"), shared.by_default(2));
    assert_eq!((one.ok(), two.ok()), (Some(format!("traits_async:read:{text}")), Some(3)));
    let unique: &mut dyn Boxed = &mut *store;
    assert_eq!(unique.write(&text).await.expect("free"), "");
    let by_default = tokio::spawn(async move { store.by_default(1).await });
    assert_eq!(by_default.await.expect("no panic").expect("free"), 2);
}
