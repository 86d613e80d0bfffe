//! Functions that can be written in every edition, as their users write them.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};

// Keys

#[distributed_lock("everyday:{id}")]
fn inline(id: u64) -> Result<u64, LockError> {
    if id == 0 {
        return Ok(1);
    }
    Ok(inline(id - 1)? * id)
}

#[distributed_lock("everyday:{}:{1}:{name:>4}", id, id + 1, name = parts.0, hold = hold)]
fn positional_and_named(id: u64, parts: (&str, u64)) -> Result<String, LockError> {
    Ok(format!("{} {}", hold.key(), parts.1))
}

#[test]
fn a_key_takes_names_positions_and_expressions() {
    crate::support();
    assert_eq!(inline(5).expect("free"), 120);
    let key = positional_and_named(1, ("ab", 9)).expect("free");
    assert_eq!(key, "everyday:1:2:  ab 9");
}

// Options and policies

const WAIT: Duration = Duration::from_secs(5);

#[distributed_lock("everyday:options", ttl = "20s", wait = WAIT, max_hold = "1m", if_busy = skip)]
fn optional() -> Result<Option<u32>, LockError> {
    Ok(Some(1))
}

#[distributed_lock("everyday:handled", on_error = |error| error.to_string(), release = confirmed)]
async fn handled(text: &str) -> String {
    tokio::task::yield_now().await;
    text.to_owned()
}

#[distributed_lock("everyday:never", on_error = panic)]
fn never(message: &'static str) -> ! {
    std::panic::panic_any(message)
}

#[test]
fn each_policy_yields_what_the_body_yields() {
    crate::support();
    assert_eq!(optional().expect("free"), Some(1));
    assert_eq!(block_on(handled("body")), "body");
    let thrown = std::panic::catch_unwind(|| never("thrown")).expect_err("it never returns");
    assert_eq!(thrown.downcast_ref(), Some(&"thrown"));
}

// Methods

struct Shop {
    shelves: HashMap<u32, Vec<String>>,
    sold: u32,
    locks: LockManager,
}

impl Shop {
    fn new() -> Self {
        let locks =
            LockManager::connect("memory://").expect("the in-process store needs no server");
        Self { shelves: HashMap::new(), sold: 0, locks }
    }

    #[distributed_lock("everyday:shop:{}", self.sold, manager = self.locks)]
    fn shelf(&mut self, number: u32) -> Result<&mut Vec<String>, LockError> {
        self.sold += 1;
        Ok(self.shelves.entry(number).or_default())
    }

    #[distributed_lock("everyday:shop:{n}", n = self.sold, manager = self.locks)]
    async fn stock<'a>(&'a mut self, number: u32, what: &str) -> Result<&'a str, LockError> {
        let shelf = self.shelf(number)?;
        tokio::task::yield_now().await;
        shelf.push(what.to_owned());
        Ok(shelf.last().expect("one was pushed"))
    }

    #[distributed_lock("everyday:shop:all", manager = self.locks)]
    fn all(&self) -> Result<impl Iterator<Item = &String> + Debug + '_, LockError> {
        Ok(self.shelves.values().flatten())
    }
}

#[test]
fn methods_borrow_and_return_borrows() {
    crate::support();
    let mut shop = Shop::new();
    assert_eq!(block_on(shop.stock(1, "tea")).expect("free"), "tea");
    shop.shelf(1).expect("free").push("milk".to_owned());
    assert_eq!(shop.all().expect("free").collect::<Vec<_>>(), ["tea", "milk"]);
    assert_eq!(shop.sold, 2);
}

// Closures and generics

#[distributed_lock("everyday:apply:{value:?}")]
fn apply<T: Debug, R>(value: T, with: impl FnOnce(T) -> R) -> Result<R, LockError>
where
    R: Default,
{
    Ok(with(value))
}

#[distributed_lock("everyday:boxed")]
fn boxed(start: u32) -> Result<Box<dyn FnMut() -> u32 + Send>, LockError> {
    let mut next = start;
    Ok(Box::new(move || {
        next += 1;
        next
    }))
}

#[distributed_lock("everyday:fields")]
fn fields(pair: &mut (Vec<u32>, Vec<u32>)) -> Result<usize, LockError> {
    let (left, right) = (&mut pair.0, &pair.1);
    let mut copy = || left.extend(right.iter().copied());
    copy();
    copy();
    Ok(pair.0.len())
}

#[test]
fn closures_go_in_and_come_out() {
    crate::support();
    assert_eq!(apply("4", |text: &str| text.parse::<u32>().ok()).expect("free"), Some(4));
    let mut count = boxed(3).expect("free");
    assert_eq!((count(), count()), (4, 5));
    assert_eq!(fields(&mut (vec![1], vec![2, 3])).expect("free"), 5);
}

// Futures

#[distributed_lock("everyday:future:{text}")]
fn future<'a>(text: &'a str) -> impl Future<Output = Result<usize, LockError>> + 'a {
    async move {
        tokio::task::yield_now().await;
        Ok(text.len())
    }
}

type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[distributed_lock("everyday:pinned:{id}")]
fn pinned<'a>(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, LockError>> + Send + 'a>> {
    if id == 0 {
        return Box::pin(std::future::ready(Ok(0)));
    }
    let inner: Work<'a, _> = Box::pin(async move { Ok(pinned(id - 1).await? + id) });
    inner
}

#[async_trait::async_trait]
trait Counter: Send {
    async fn count(&mut self, by: u32) -> Result<u32, LockError>;

    #[distributed_lock("everyday:counter")]
    async fn twice(&mut self, by: u32) -> Result<u32, LockError> {
        self.count(by).await?;
        self.count(by).await
    }
}

#[async_trait::async_trait]
impl Counter for Shop {
    #[distributed_lock("everyday:counter")]
    async fn count(&mut self, by: u32) -> Result<u32, LockError> {
        tokio::task::yield_now().await;
        self.sold += by;
        Ok(self.sold)
    }
}

#[test]
fn futures_run_under_the_lock_however_they_are_declared() {
    crate::support();
    assert_eq!(block_on(future("text")).expect("free"), 4);
    assert_eq!(block_on(pinned(4)).expect("free"), 10);
    let counter: &mut dyn Counter = &mut Shop::new();
    assert_eq!(block_on(counter.twice(3)).expect("free"), 6);
}

fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    crate::order::block_on(future)
}
