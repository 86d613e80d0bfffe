//! Return types behind a name that might hide a future, and does not.

use std::borrow::Cow;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use distlock::{LockError, distributed_lock};

use super::support::support;

type Job = Pin<Box<dyn Future<Output = u32> + Send>>;

struct Later(u32);

impl Future for Later {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        Poll::Ready(self.0)
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing is waited for"),
    }
}

// 160
#[distributed_lock("named:same", on_error = panic)]
fn same<T>(value: T) -> T {
    value
}

#[distributed_lock("named:boxed", on_error = panic)]
fn boxed<T>(value: T) -> Box<T> {
    Box::new(value)
}

#[expect(clippy::unnecessary_box_returns, reason = "the box is what is tried")]
#[distributed_lock("named:unnamed", on_error = panic)]
fn unnamed(to: u32) -> Box<impl Iterator<Item = u32>> {
    Box::new(0..to)
}

#[distributed_lock("named:text", on_error = |err| err.to_string().into())]
fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

#[distributed_lock("named:list", on_error = |_| Vec::new())]
fn list(text: &str) -> Vec<Cow<'_, str>> {
    vec![Cow::Borrowed(text)]
}

macro_rules! pair {
    ($left:ty) => {
        ($left, u32)
    };
}

#[distributed_lock("named:pair", on_error = panic)]
fn paired(left: u8) -> pair!(u8) {
    (left, 1)
}

#[derive(Debug, PartialEq)]
struct Step(u32);

impl Iterator for Step {
    type Item = u32;

    #[distributed_lock("named:next", on_error = panic)]
    fn next(&mut self) -> Option<u32> {
        Some(self.after().0)
    }
}

impl Step {
    #[distributed_lock("named:after", on_error = panic)]
    fn after(&self) -> Self {
        Self(self.0 + 1)
    }

    #[distributed_lock("named:item", on_error = panic)]
    fn item(&mut self) -> <Self as Iterator>::Item {
        self.0
    }
}

trait Steps: Iterator + Sized {
    #[distributed_lock("named:first", on_error = panic)]
    fn first(mut self) -> Option<Self::Item> {
        self.next()
    }

    #[distributed_lock("named:first_or", on_error = panic)]
    fn first_or(mut self, other: Self::Item) -> Self::Item {
        self.next().unwrap_or(other)
    }
}

impl<I: Iterator> Steps for I {}

#[test]
fn a_name_for_a_type_that_is_no_future_is_taken() {
    support();
    assert_eq!((same(1), *boxed("b"), text("t")), (1, "b", Cow::Borrowed("t")));
    assert_eq!((list("l"), paired(2)), (vec![Cow::Borrowed("l")], (2, 1)));
    assert_eq!(unnamed(3).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((Step(1).after(), Step(1).item(), Step(1).next()), (Step(2), 1, Some(2)));
    assert_eq!((Step(3).first(), Step(3).first_or(0)), (Some(4), 4));
}

// 161
#[distributed_lock("named:made", on_error = Err)]
fn made(value: u32) -> Result<Job, LockError> {
    Ok(Box::pin(async move { value }))
}

#[distributed_lock("named:some", on_error = |_| None)]
fn some(value: u32) -> Option<Later> {
    Some(Later(value))
}

#[test]
fn a_future_inside_another_type_is_made_under_the_lock_and_runs_after_it() {
    support();
    assert_eq!(now(made(1).expect("free")), 1);
    assert_eq!(now(some(2).expect("free")), 2);
}
