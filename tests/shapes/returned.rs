//! Return types that are opaque, never made, or futures in an unusual dress.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::time::Duration;

use distlock::distributed_lock;

use super::support::{Error, support};

// 151
trait Catalogue {
    fn size(&self) -> u32;

    #[distributed_lock("returned:items:{}", self.size())]
    fn items(&self) -> Result<impl Iterator<Item = u32> + '_, Error> {
        Ok(0..self.size())
    }

    fn names(&self) -> impl Iterator<Item = impl Debug>;
}

impl Catalogue for [&str] {
    fn size(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    #[distributed_lock("returned:names", on_error = panic)]
    fn names(&self) -> impl Iterator<Item = impl Debug> {
        self.iter()
    }
}

#[test]
fn methods_of_traits_return_opaque_types() {
    support();
    let catalogue = ["a", "b"];
    assert_eq!(catalogue.items().expect("free").collect::<Vec<_>>(), [0, 1]);
    assert_eq!(format!("{:?}", catalogue.names().collect::<Vec<_>>()), "[\"a\", \"b\"]");
}

// 152
#[distributed_lock("returned:serve")]
async fn serve(mut left: u32) -> Result<Infallible, Error> {
    loop {
        tokio::task::yield_now().await;
        left = left.checked_sub(1).ok_or(Error::Own("done"))?;
    }
}

#[distributed_lock("returned:serve")]
fn serve_sync(text: &str) -> Result<Infallible, Box<dyn StdError>> {
    let left: u32 = text.parse()?;
    panic!("{left}")
}

#[distributed_lock("returned:for ever", on_error = panic)]
async fn for_ever() -> ! {
    pending().await
}

#[distributed_lock("returned:for ever")]
async fn for_ever_with_room() -> Result<Vec<u8>, Error> {
    pending().await
}

#[tokio::test]
async fn a_value_that_is_never_made_is_not_missed() {
    support();
    assert!(matches!(serve(3).await, Err(Error::Own("done"))));
    assert!(serve_sync("x").is_err());
    assert!(std::panic::catch_unwind(|| serve_sync("1").is_ok()).is_err());
    let short = Duration::from_millis(1);
    assert!(tokio::time::timeout(short, for_ever()).await.is_err());
    assert!(tokio::time::timeout(short, for_ever_with_room()).await.is_err());
}

// 153
#[distributed_lock("returned:async:{}", texts.len())]
async fn parsed(
    texts: &[&str],
) -> Result<impl Iterator<Item = u8>, Box<dyn StdError + Send + Sync>> {
    tokio::task::yield_now().await;
    let numbers = texts.iter().map(|text| text.parse()).collect::<Result<Vec<u8>, _>>()?;
    if numbers.is_empty() {
        return Err("empty".into());
    }
    Ok(numbers.into_iter().rev())
}

#[tokio::test]
async fn an_opaque_value_next_to_a_known_error() {
    support();
    assert_eq!(parsed(&["1", "2"]).await.expect("free").collect::<Vec<_>>(), [2, 1]);
    assert!(parsed(&["x"]).await.is_err() && parsed(&[]).await.is_err());
}

// 154
fn held() -> bool {
    distlock::current().is_some_and(|hold| hold.key() == "returned:dress")
}

async fn holds() -> Result<bool, Error> {
    tokio::task::yield_now().await;
    Ok(held())
}

#[distributed_lock("returned:dress")]
fn pinned_opaque() -> Pin<Box<impl Future<Output = Result<bool, Error>>>> {
    Box::pin(holds())
}

#[distributed_lock("returned:dress")]
fn qualified()
-> ::std::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = Result<bool, Error>>>> {
    Box::pin(holds())
}

#[allow(clippy::elidable_lifetime_names, reason = "the bound that names it is the point")]
#[distributed_lock("returned:dress")]
fn bounded<'a, T: Sync>(
    _by: &'a T,
) -> impl 'a + Send + Future<Output = Result<bool, Error>> + use<'a, T> {
    holds()
}

#[distributed_lock("returned:dress")]
fn nested() -> impl Future<Output = Result<impl Future<Output = u32>, Error>> {
    async { if holds().await? { Ok(ready(3)) } else { Err(Error::Own("not held")) } }
}

#[tokio::test]
async fn every_form_of_a_future_type_is_recognised() {
    support();
    assert!(pinned_opaque().await.expect("free"));
    assert!(qualified().await.expect("free"));
    assert!(bounded(&1).await.expect("free"));
    assert_eq!(nested().await.expect("free").await, 3);
}
