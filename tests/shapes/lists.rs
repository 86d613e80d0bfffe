use std::cell::Cell;
use std::fmt::Display;
use std::future::ready;
use std::sync::Mutex;

use distlock::distributed_lock;
use futures::future::BoxFuture;

use super::support::{Drops, Error, current, support};

struct Shop {
    id: u32,
    name: String,
    sold: Vec<u32>,
}

// 162
#[distributed_lock(["lists:{from}", "lists:{to}"])]
fn sync(from: u32, to: u32) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(["lists:{from}", "lists:{to}",], wait = "5s",)]
async fn asynchronous(from: String, to: String) -> Result<(Option<String>, String), Error> {
    ready(()).await;
    Ok((current(), from + &to))
}

#[distributed_lock(["lists:{from}", "lists:{to}"])]
fn boxed<'a>(from: &'a str, to: &'a str) -> BoxFuture<'a, Result<Option<String>, Error>> {
    Box::pin(async move { Ok(current().filter(|_| from < to)) })
}

#[distributed_lock(["lists:{from}", "lists:{to}"])]
fn opaque(from: u32, to: u32) -> impl Future<Output = Result<Option<String>, Error>> + Send {
    ready(Ok(current().filter(|_| from < to)))
}

#[distributed_lock(["lists:{a:?}", "lists:{b:>3}"], on_error = panic)]
fn generic<T: std::fmt::Debug, const N: usize>(a: T, b: impl Display) -> (T, [Option<String>; N]) {
    (a, std::array::from_fn(|_| current()))
}

#[distributed_lock(["lists:constant"], hold = hold)]
fn of_one() -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

impl Shop {
    #[distributed_lock(
        ["lists:{id}", "lists:{name}:{id}"],
        id = self.id,
        name = self.name,
        hold = hold
    )]
    fn sell(&mut self, what: u32) -> Result<(&mut u32, String), Error> {
        self.sold.push(what);
        Ok((self.sold.last_mut().expect("just pushed"), hold.key().to_owned()))
    }

    #[distributed_lock(["lists:{id}", "lists:{name}"], id = self.id, name = self.name)]
    async fn close(self) -> Result<(String, Vec<u32>), Error> {
        ready(()).await;
        Ok((self.name, self.sold))
    }
}

macro_rules! listed {
    ($name:ident($from:ident, $to:ident), $keys:expr) => {
        #[distributed_lock($keys)]
        fn $name($from: u32, $to: u32) -> Result<Option<String>, Error> {
            Ok(current().filter(|_| $from < $to))
        }
    };
    ($name:ident, $($key:literal)*, $value:expr) => {
        #[distributed_lock([$($key),*], id = $value)]
        fn $name() -> Result<Option<String>, Error> {
            Ok(current())
        }
    };
}

listed!(by_a_macro(from, to), ["lists:{from}", "lists:{to}"]);
listed!(by_a_macro_of_literals, "lists:{id}" "lists:{id}:more", 3 + 4);

#[tokio::test]
async fn several_keys_are_taken_by_every_kind_of_function() {
    support();
    let last = Some("lists:8".to_owned());
    assert_eq!(sync(7, 8).expect("free"), last);
    assert_eq!(sync(8, 7).expect("free"), last);
    let (seen, both) = asynchronous("7".to_owned(), "8".to_owned()).await.expect("free");
    assert_eq!((seen, both.as_str()), (last.clone(), "78"));
    assert_eq!(boxed("7", "8").await.expect("free"), last);
    assert_eq!(opaque(7, 8).await.expect("free"), last);
    let (a, [seen]) = generic(7, 'b');
    assert_eq!((a, seen.as_deref()), (7, Some("lists:7")));
    assert_eq!(of_one().expect("free"), "lists:constant");
    assert_eq!(by_a_macro(7, 8).expect("free"), last);
    assert_eq!(by_a_macro_of_literals().expect("free").as_deref(), Some("lists:7:more"));
    let mut shop = Shop { id: 7, name: "corner".to_owned(), sold: Vec::new() };
    let (sold, key) = shop.sell(3).expect("free");
    *sold += 1;
    assert_eq!(key, "lists:corner:7");
    assert_eq!(shop.close().await.expect("free"), ("corner".to_owned(), vec![4]));
}

// 163
#[distributed_lock(
    ["lists:{n}", "lists:{n}:{m}", "lists:{m}"],
    n = next(count),
    m = next(count),
    hold = hold
)]
fn counted(count: &Cell<u32>) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

fn next(count: &Cell<u32>) -> u32 {
    count.set(count.get() + 1);
    count.get()
}

#[distributed_lock(["lists:{a}", "lists:{b}"], a = ready(7).await, b = ready(a).await)]
async fn awaited(a: u32) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(["lists:{n}", "lists:{n:?}"], n = text.parse::<u32>()?)]
fn fallible(text: &str) -> anyhow::Result<Option<String>> {
    Ok(current())
}

#[distributed_lock(
    ["lists:{value}", "lists:{type}"],
    value = value.lock().expect("whole"),
    r#type = Drops("key", log).0,
    on_error = panic
)]
fn guarded(value: &Mutex<u32>, log: &Mutex<Vec<&'static str>>) -> Option<u32> {
    let seen = log.lock().expect("whole").clone();
    assert_eq!(seen, ["key"]);
    value.try_lock().ok().map(|value| *value)
}

// Arguments called like the variables of an expansion.
#[distributed_lock(["lists:{site}", "lists:{call}", "lists:{distlock_key_site}"], call = site + 1)]
fn named(site: u32, distlock_key_site: u32) -> Result<Option<String>, Error> {
    Ok(current())
}

#[tokio::test]
async fn arguments_of_a_list_are_evaluated_once_and_gone_before_the_body() {
    support();
    let count = Cell::new(0);
    assert_eq!(counted(&count).expect("free"), "lists:2");
    assert_eq!(count.get(), 2);
    let task = tokio::spawn(awaited(8));
    assert_eq!(task.await.expect("no panic").expect("free").as_deref(), Some("lists:8"));
    assert_eq!(fallible("9").expect("free").as_deref(), Some("lists:9"));
    assert!(fallible("x").is_err());
    assert_eq!(guarded(&Mutex::new(3), &Mutex::default()), Some(3));
    assert_eq!(named(7, 9).expect("free").as_deref(), Some("lists:9"));
}
