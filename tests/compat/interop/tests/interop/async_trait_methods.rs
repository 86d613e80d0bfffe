use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use distlock::distributed_lock;

use super::support::{Error, assert_released, held, support};

#[async_trait]
trait Store: Send + Sync {
    fn name(&self) -> &str;

    async fn read(&self, id: u32) -> Result<Option<String>, Error>;

    async fn rename<'a>(&mut self, name: &'a str) -> Result<&'a str, Error>;

    async fn take(self: Arc<Self>, by: Box<dyn Fn(u32) -> u32 + Send>) -> Result<u32, Error>;

    #[distributed_lock("async_trait:touch:{}", self.name(), on_error = panic)]
    async fn touch(&self) -> Option<String> {
        tokio::task::yield_now().await;
        held()
    }

    #[distributed_lock("async_trait:nothing", on_error = |_| ())]
    async fn nothing(&self) {
        assert_eq!(held().as_deref(), Some("async_trait:nothing"));
    }
}

struct Shop(String);

#[async_trait]
impl Store for Shop {
    fn name(&self) -> &str {
        &self.0
    }

    #[distributed_lock("async_trait:{}:{id}", self.0)]
    async fn read(&self, id: u32) -> Result<Option<String>, Error> {
        tokio::task::yield_now().await;
        if id == 0 {
            return Err(Error::Own("zero"));
        }
        Ok(held())
    }

    #[distributed_lock("async_trait:{name}", wait = "5s")]
    async fn rename<'a>(&mut self, name: &'a str) -> Result<&'a str, Error> {
        name.clone_into(&mut self.0);
        tokio::task::yield_now().await;
        Ok(name)
    }

    #[distributed_lock("async_trait:take:{}", self.0, hold = hold)]
    async fn take(self: Arc<Self>, by: Box<dyn Fn(u32) -> u32 + Send>) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        Ok(by(u32::try_from(hold.key().len()).expect("a short key")))
    }
}

#[tokio::test]
async fn methods_are_locked_behind_a_trait_object() {
    support();
    let mut store: Box<dyn Store> = Box::new(Shop("a".to_owned()));
    assert_eq!(store.rename("b").await.expect("free"), "b");
    assert!(matches!(store.read(0).await, Err(Error::Own("zero"))));
    let task = tokio::spawn(async move { (store.read(1).await, store.touch().await) });
    let (read, touched) = task.await.expect("no panic");
    assert_eq!(read.expect("free").as_deref(), Some("async_trait:b:1"));
    assert_eq!(touched.as_deref(), Some("async_trait:touch:b"));
    assert_released("async_trait:b:1");
    assert_released("async_trait:touch:b");
}

#[tokio::test]
async fn a_method_on_an_arc_and_a_unit_method_are_locked() {
    support();
    let store: Arc<dyn Store> = Arc::new(Shop("c".to_owned()));
    store.nothing().await;
    assert_released("async_trait:nothing");
    assert_eq!(store.take(Box::new(|n| n + 1)).await.expect("free"), 19);
    assert_released("async_trait:take:c");
}

#[async_trait(?Send)]
trait Local {
    async fn read(&self, tag: Rc<u32>) -> Result<(u32, Option<String>), Error>;
}

#[async_trait(?Send)]
impl Local for Rc<u32> {
    #[distributed_lock("async_trait:local:{tag}")]
    async fn read(&self, tag: Rc<u32>) -> Result<(u32, Option<String>), Error> {
        tokio::task::yield_now().await;
        Ok((**self + *tag, held()))
    }
}

#[tokio::test]
async fn methods_that_are_not_send_are_locked() {
    support();
    let local: &dyn Local = &Rc::new(1);
    let (sum, inside) = local.read(Rc::new(2)).await.expect("free");
    assert_eq!((sum, inside.as_deref()), (3, Some("async_trait:local:2")));
    assert_released("async_trait:local:2");
}

struct Generic<T>(T);

#[async_trait]
trait Keyed<K> {
    async fn get(&self, key: K) -> Result<(K, Option<String>), Error>
    where
        K: 'async_trait;
}

#[async_trait]
impl<T, K> Keyed<K> for Generic<T>
where
    T: std::fmt::Display + Send + Sync,
    K: Send + 'static,
{
    #[distributed_lock("async_trait:generic:{}", self.0)]
    async fn get(&self, key: K) -> Result<(K, Option<String>), Error>
    where
        K: 'async_trait,
    {
        tokio::task::yield_now().await;
        Ok((key, held()))
    }
}

#[tokio::test]
async fn generic_methods_are_locked() {
    support();
    let (key, inside) = Generic("g").get(5_u8).await.expect("free");
    assert_eq!((key, inside.as_deref()), (5, Some("async_trait:generic:g")));
}

#[tokio::test]
async fn a_method_whose_future_is_never_polled_takes_no_lock() {
    support();
    let shop = Shop("idle".to_owned());
    let made = shop.read(1);
    assert_released("async_trait:idle:1");
    drop(made);
}
