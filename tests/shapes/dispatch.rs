//! Who a method belongs to, and how the call reaches it.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use distlock::{LockError, distributed_lock};

use super::support::{Error, support};

trait Store {
    type Key: Debug;
    type Error: From<LockError> + Debug;
    const NAME: &'static str;

    async fn load(&self, key: &Self::Key) -> Result<u32, Self::Error>;

    fn describe() -> &'static str {
        Self::NAME
    }
}

#[derive(Clone, Debug)]
struct Memory(u32);

// 134
impl Store for Memory {
    type Key = str_key::Key;
    type Error = Error;
    const NAME: &'static str = "memory";

    #[distributed_lock("dispatch:{}:{key:?}", Self::NAME)]
    async fn load(&self, key: &Self::Key) -> Result<u32, Self::Error> {
        tokio::task::yield_now().await;
        if key.0.is_empty() { Err(Self::Error::Own("empty")) } else { Ok(self.0) }
    }
}

mod str_key {
    #[derive(Debug)]
    pub(super) struct Key(pub(super) &'static str);
}

// 135
impl<S> Store for &S
where
    S: Store + ?Sized,
{
    type Key = S::Key;
    type Error = S::Error;
    const NAME: &'static str = S::NAME;

    #[distributed_lock("dispatch:by reference:{}", S::describe())]
    async fn load(&self, key: &Self::Key) -> Result<u32, Self::Error> {
        (**self).load(key).await
    }
}

// 136
#[distributed_lock("dispatch:generic:{}:{}", S::NAME, <S as Store>::describe())]
async fn through_a_bound<S: Store>(store: &S, key: &S::Key) -> Result<u32, S::Error>
where
    S::Error: Send,
{
    store.load(key).await
}

#[tokio::test]
async fn associated_types_and_constants_reach_key_body_and_result() {
    support();
    let key = str_key::Key("k");
    assert_eq!(Memory(1).load(&key).await.expect("free"), 1);
    assert!(Memory(1).load(&str_key::Key("")).await.is_err());
    let (memory, reference) = (&Memory(2), &&Memory(2));
    assert_eq!(memory.load(&key).await.ok(), reference.load(&key).await.ok());
    assert_eq!(through_a_bound(&&Memory(3), &key).await.expect("free"), 3);
}

// 137
trait Extended: Iterator<Item = u32> + Sized {
    #[distributed_lock("dispatch:extension:{by}")]
    fn total(self, by: u32) -> Result<u32, Error> {
        Ok(self.map(|n| n * by).sum())
    }
}

impl<I: Iterator<Item = u32>> Extended for I {}

#[test]
fn an_extension_trait_locks_foreign_types() {
    support();
    assert_eq!([1, 2].into_iter().total(2).expect("free"), 6);
}

// 140
/// # Safety
///
/// The number is below ten.
#[allow(unsafe_code, reason = "the attribute must carry unsafe traits through")]
unsafe trait Digit {
    unsafe fn digit(&self) -> Result<u8, Error>;
}

// SAFETY: the remainder is below ten.
#[allow(unsafe_code, reason = "likewise")]
unsafe impl Digit for Memory {
    #[distributed_lock("dispatch:unsafe:{}", self.0)]
    unsafe fn digit(&self) -> Result<u8, Error> {
        u8::try_from(self.0 % 10).map_err(|_| Error::Own("large"))
    }
}

#[test]
#[allow(unsafe_code, reason = "likewise")]
fn a_method_of_an_unsafe_trait_is_locked() {
    support();
    // SAFETY: there is nothing to uphold.
    assert_eq!(unsafe { Memory(14).digit() }.expect("free"), 4);
}

#[async_trait]
trait Parent<T = u32>: Send + Sync {
    fn base(&self) -> T;

    // 141
    #[distributed_lock("dispatch:parent:{N}")]
    async fn raised<const N: u32>(self: Arc<Self>) -> Result<T, Error>
    where
        Self: Sized,
        T: From<u32> + std::ops::Add<Output = T> + Send + 'async_trait,
    {
        let this = &*self;
        let raised = futures::select! {
            base = futures::FutureExt::fuse(async { this.base() }) => base + T::from(N),
        };
        Ok(raised)
    }
}

impl Parent for Memory {
    fn base(&self) -> u32 {
        self.0
    }
}

#[tokio::test]
async fn a_boxed_default_method_has_constant_parameters_and_a_shared_receiver() {
    support();
    let raised: u32 =
        tokio::spawn(Arc::new(Memory(1)).raised::<4>()).await.expect("no panic").expect("free");
    assert_eq!(raised, 5);
}

// 142
fn erased<'a>(memory: &'a Memory) -> Box<dyn Future<Output = Result<u32, Error>> + Unpin + 'a> {
    Box::new(Box::pin(memory.load(&str_key::Key("erased"))))
}

#[tokio::test]
async fn the_future_of_a_locked_method_is_erased_like_any_other() {
    support();
    let memory = Memory(6);
    assert_eq!(erased(&memory).await.expect("free"), 6);
}
