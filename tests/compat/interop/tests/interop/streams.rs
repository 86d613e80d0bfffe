use std::pin::Pin;
use std::task::{Context, Poll};

use async_stream::{stream, try_stream};
use distlock::distributed_lock;
use futures::stream::{self, BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};
use pin_project_lite::pin_project;

use super::support::{Error, assert_released, held, support};

#[distributed_lock("streams:item:{n}")]
async fn item(n: u32) -> Result<Option<String>, Error> {
    tokio::task::yield_now().await;
    Ok(held())
}

#[distributed_lock("streams:whole")]
async fn whole() -> Result<Vec<Option<String>>, Error> {
    let items = try_stream! {
        for n in 0..2 {
            yield item(n).await?;
            yield held();
        }
    };
    items.try_collect().await
}

#[tokio::test]
async fn a_stream_that_the_body_drains_runs_under_the_lock() {
    support();
    let seen = whole().await.expect("free");
    let seen: Vec<_> = seen.iter().map(Option::as_deref).collect();
    let outer = Some("streams:whole");
    assert_eq!(seen, [Some("streams:item:0"), outer, Some("streams:item:1"), outer]);
    assert_released("streams:whole");
}

#[tokio::test]
async fn a_locked_function_makes_each_item_of_a_stream() {
    support();
    let seen: Vec<_> = stream::iter(0..2).then(item).try_collect().await.expect("free");
    assert_eq!(seen[1].as_deref(), Some("streams:item:1"));
    let seen: Vec<_> = stream::iter(2..6).map(item).buffered(2).try_collect().await.expect("free");
    assert_eq!(seen[3].as_deref(), Some("streams:item:5"));
    assert_released("streams:item:5");
}

#[distributed_lock("streams:made")]
fn made() -> Result<impl Stream<Item = Option<String>>, Error> {
    Ok(stream! { yield held(); })
}

#[distributed_lock("streams:boxed")]
fn boxed() -> Result<BoxStream<'static, Option<String>>, Error> {
    assert_eq!(held().as_deref(), Some("streams:boxed"));
    Ok(stream::once(async { held() }).boxed())
}

#[tokio::test]
async fn a_stream_that_is_returned_runs_after_the_lock() {
    support();
    let made: Vec<_> = made().expect("free").collect().await;
    assert_eq!(made, [None]);
    let boxed: Vec<_> = boxed().expect("free").collect().await;
    assert_eq!(boxed, [None]);
}

pin_project! {
    struct Counted<F> {
        #[pin]
        inner: F,
        polls: u32,
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = (u32, F::Output);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        *this.polls += 1;
        this.inner.poll(context).map(|output| (*this.polls, output))
    }
}

#[tokio::test]
async fn a_custom_future_can_poll_a_locked_future() {
    support();
    let (polls, inside) = Counted { inner: item(7), polls: 0 }.await;
    assert!(polls > 1, "the body yields once");
    assert_eq!(inside.expect("free").as_deref(), Some("streams:item:7"));
    assert_released("streams:item:7");
}

impl<F: Future> Counted<F> {
    #[distributed_lock("streams:step", on_error = panic)]
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<String>> {
        assert!(self.project().inner.poll(context).is_ready());
        Poll::Ready(held())
    }
}

#[test]
fn a_method_on_a_pinned_projection_is_locked() {
    support();
    let mut context = Context::from_waker(std::task::Waker::noop());
    let counted = std::pin::pin!(Counted { inner: async {}, polls: 0 });
    let stepped = counted.step(&mut context);
    assert_eq!(stepped, Poll::Ready(Some("streams:step".to_owned())));
    assert_released("streams:step");
}
