//! Arguments and keys of unusual forms.

use std::cell::Cell;
use std::fmt::Display;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;

use distlock::distributed_lock;

use super::support::{Error, locked_and_plain, support};

#[derive(Clone, Copy)]
struct Pair(u32, u32);

// 155
locked_and_plain! {
    bound: ["arguments:bound:{number}:{left}", on_error = panic]
    fn run((Ok(number) | Err(number)): Result<u32, u32>, both @ Pair(left, _): Pair) -> u32 {
        number + left + both.1
    }
}

locked_and_plain! {
    places: ["arguments:places:{name}", on_error = panic]
    async fn run(
        &mut (ref mut count, ref name): &mut (u32, String),
        [.., last]: &mut [u32; 3],
    ) -> usize {
        *count += 1;
        tokio::task::yield_now().await;
        *last += *count;
        name.len()
    }
}

#[tokio::test]
async fn patterns_choose_rename_and_point() {
    support();
    for number in [Ok(1), Err(2)] {
        let pair = Pair(3, 4);
        assert_eq!(bound::plain::run(number, pair), bound::locked::run(number, pair));
    }
    let (mut pair, mut numbers) = ((0, "abc".to_owned()), [0; 3]);
    assert_eq!(places::plain::run(&mut pair, &mut numbers).await, 3);
    assert_eq!(places::locked::run(&mut pair, &mut numbers).await, 3);
    assert_eq!((pair.0, numbers), (2, [0, 0, 3]));
}

// 156
#[distributed_lock("arguments:countdown", on_error = panic)]
async fn countdown(mut left: u32, mut by: Box<u32>) -> u32 {
    let mut steps = 0;
    while left > 0 {
        left = left.saturating_sub(*by);
        *by += 1;
        steps += 1;
        tokio::task::yield_now().await;
    }
    left = steps;
    left + *std::mem::take(&mut by)
}

#[tokio::test]
async fn arguments_are_assigned_in_the_body_without_a_warning() {
    support();
    assert_eq!(countdown(6, Box::new(1)).await, 3 + 4);
}

struct Machine {
    state: u32,
    log: Vec<u32>,
    _pinned: PhantomPinned,
}

// 157
impl Machine {
    #[allow(unsafe_code, reason = "a projection by hand")]
    #[distributed_lock("arguments:machine:{}", self.state)]
    async fn step(self: Pin<&mut Self>, by: u32) -> Result<&mut Vec<u32>, Error> {
        // SAFETY: nothing is moved out of what is pinned.
        let Self { state, log, .. } = unsafe { self.get_unchecked_mut() };
        tokio::task::yield_now().await;
        *state += by;
        log.push(*state);
        Ok(log)
    }

    #[distributed_lock("arguments:machine:{}", self.state)]
    async fn twice(mut self: Pin<&mut Self>) -> Result<usize, Error> {
        self.as_mut().step(1).await?;
        Ok(self.step(2).await?.len())
    }

    #[distributed_lock("arguments:machine:{}", self.state)]
    async fn boxed(self: Pin<Box<Self>>) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        Ok(self.state)
    }

    #[distributed_lock("arguments:machine:{}", self.state)]
    fn by_box(self: &mut Box<Self>) -> Result<&mut u32, Error> {
        Ok(&mut self.state)
    }
}

#[tokio::test]
async fn a_pinned_receiver_is_projected_and_borrowed_again() {
    support();
    let mut machine = Box::new(Machine { state: 0, log: Vec::new(), _pinned: PhantomPinned });
    *machine.by_box().expect("free") += 1;
    let mut machine = Box::into_pin(machine);
    assert_eq!(machine.as_mut().twice().await.expect("free"), 2);
    assert_eq!(machine.log, [2, 4]);
    assert_eq!(machine.boxed().await.expect("free"), 4);
}

// 158
#[distributed_lock("arguments:send:{value}:{}", cell.get())]
async fn shown<T: Display + Send>(value: T, cell: Cell<u32>) -> Result<String, Error> {
    tokio::task::yield_now().await;
    cell.set(cell.get() + 1);
    Ok(format!("{value}{}", cell.get()))
}

#[distributed_lock("arguments:awaited:{}", count(&values).await, hold = hold)]
async fn awaited(values: Vec<u32>) -> Result<(String, Vec<u32>), Error> {
    tokio::task::yield_now().await;
    Ok((hold.key().to_owned(), values))
}

async fn count(values: &[u32]) -> usize {
    tokio::task::yield_now().await;
    values.len()
}

#[distributed_lock(
    "arguments:computed:{}:{total}",
    match values { [] => "none", [_] => "one", _ => "many" },
    total = { let mut total = 0; for n in values { total += n; } total },
    hold = hold
)]
fn computed(values: &[u32]) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn a_key_is_computed_from_arguments_without_being_in_the_futures_way() {
    support();
    assert_eq!(send(shown(1, Cell::new(1))).await.expect("free"), "12");
    let (key, values) = send(awaited(vec![5])).await.expect("free");
    assert_eq!((key.as_str(), values), ("arguments:awaited:1", vec![5]));
    assert_eq!(computed(&[1, 2]).expect("free"), "arguments:computed:many:3");
}

// 159
#[distributed_lock("arguments:documented")]
async fn documented() -> Result<u32, Error> {
    //! This text belongs to the function.
    #![expect(unused_variables, reason = "the lint must still come")]
    let unused = 1;
    tokio::task::yield_now().await;
    Ok(3)
}

#[tokio::test]
async fn documentation_inside_the_body() {
    support();
    assert_eq!(documented().await.expect("free"), 3);
}
