use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::rc::Rc;

use distlock::{LockError, distributed_lock};
use futures::future::BoxFuture;

use super::support::{Error, current, support};

const KEY: &str = "computed:constant";
const SHOP: u32 = 7;

struct Order {
    id: u32,
    name: String,
}

impl Order {
    fn lock_key(&self) -> String {
        format!("computed:{}", self.id)
    }
}

/// A text without a `Display`.
#[derive(Clone)]
struct Name(&'static str);

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// Its two texts differ.
struct Both(&'static str);

impl AsRef<str> for Both {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Both {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "computed:{}", self.0)
    }
}

// 170
#[distributed_lock(key = order.lock_key(), hold = hold)]
fn of_method(order: &mut Order) -> Result<(String, &mut u32), Error> {
    order.id += 1;
    Ok((hold.key().to_owned(), &mut order.id))
}

#[distributed_lock(key = order.name, wait = "5s")]
async fn of_field(order: Order) -> Result<(Option<String>, String), Error> {
    ready(()).await;
    Ok((current(), order.name))
}

#[distributed_lock(key = KEY)]
fn of_constant() -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(key = name)]
fn of_text(name: &str) -> BoxFuture<'_, Result<Option<String>, Error>> {
    Box::pin(async move { Ok(current().filter(|_| !name.is_empty())) })
}

#[distributed_lock(key = name)]
fn of_as_ref(name: Name) -> Result<(Option<String>, Name), Error> {
    Ok((current(), name))
}

#[distributed_lock(key = Both("display"))]
fn of_both() -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(key = key)]
fn of_display(key: impl fmt::Display) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(key = key)]
async fn of_generic<K: AsRef<str> + ?Sized>(key: &K) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(key = key?)]
fn of_question_mark(key: Result<String, Error>) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(key = ready("computed:awaited").await, prefix = format!("{SHOP}:"))]
async fn of_await() -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock("computed:{}", SHOP, prefix = "{SHOP}:{{}}:")]
fn with_prefix() -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(["a:{id}", "b:{id}"], id = order.id, prefix = order.name, hold = [a, b])]
fn list_with_prefix(order: &Order) -> Result<[String; 2], Error> {
    Ok([&a, &b].map(|hold| hold.key().to_owned()))
}

// 171
#[distributed_lock(keys = ids.iter().map(|id| format!("computed:list:{id}")))]
fn of_iterator(ids: &mut Vec<u32>) -> Result<(Option<String>, &mut u32), Error> {
    ids.push(9);
    Ok((current(), ids.last_mut().expect("just pushed")))
}

#[distributed_lock(keys = &names, prefix = "computed:{SHOP}:", hold = hold)]
async fn of_collection(names: BTreeSet<String>) -> Result<(String, usize), Error> {
    ready(()).await;
    assert!(hold.for_key("computed:7:a").is_some());
    Ok((hold.key().to_owned(), names.len()))
}

#[distributed_lock(keys = [Name("computed:a"), Name("computed:b")])]
fn of_as_refs() -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(keys = names, prefix = prefix)]
fn of_generic_list<I>(names: I, prefix: &str) -> Result<Option<String>, Error>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    Ok(current())
}

#[distributed_lock(keys = names.keys(), if_busy = skip)]
fn of_map(names: &Rc<HashMap<String, u8>>) -> Result<Option<String>, Error> {
    Ok(current())
}

#[distributed_lock(keys = ready(ids).await, wait = "5s")]
async fn of_awaited_list(ids: Vec<u32>) -> Result<Option<String>, Error> {
    Ok(current())
}

fn stays_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_key_is_the_text_of_a_value() {
    support();
    let mut order = Order { id: 3, name: "computed:field".to_owned() };
    let (key, id) = of_method(&mut order).expect("free");
    assert_eq!((key.as_str(), *id), ("computed:3", 4));
    assert_eq!(
        list_with_prefix(&order).expect("free"),
        ["computed:fielda:4".to_owned(), "computed:fieldb:4".to_owned()]
    );
    let (key, name) = stays_send(of_field(order)).await.expect("free");
    assert_eq!(key, Some(name));
    for (key, expected) in [
        (of_constant(), KEY),
        (of_text("computed:text").await, "computed:text"),
        (of_as_ref(Name("computed:name")).map(|(key, _)| key), "computed:name"),
        (of_both(), "computed:display"),
        (of_display(format_args!("computed:{}", 5)), "computed:5"),
        (of_display('c'), "c"),
        (of_generic("computed:generic").await, "computed:generic"),
        (of_generic(&Name("computed:named")).await, "computed:named"),
        (of_question_mark(Ok("computed:?".to_owned())), "computed:?"),
        (stays_send(of_await()).await, "7:computed:awaited"),
        (with_prefix(), "7:{}:computed:7"),
    ] {
        assert_eq!(key.expect("free").as_deref(), Some(expected));
    }
    assert!(matches!(of_question_mark(Err(Error::Own("no key"))), Err(Error::Own("no key"))));
}

#[tokio::test]
async fn a_list_of_keys_is_made_by_the_call() {
    support();
    let mut ids = vec![3, 1, 3, 2];
    let (key, last) = of_iterator(&mut ids).expect("duplicates are one key");
    assert_eq!((key.as_deref(), *last), (Some("computed:list:3"), 9));
    let names = BTreeSet::from(["b".to_owned(), "a".to_owned()]);
    let (key, len) = stays_send(of_collection(names)).await.expect("free");
    assert_eq!((key.as_str(), len), ("computed:7:b", 2));
    let map = Rc::new(HashMap::from([("computed:map".to_owned(), 1)]));
    for (key, expected) in [
        (of_as_refs(), "computed:b"),
        (of_generic_list([Name("x"), Name("y")], "computed:"), "computed:y"),
        (of_map(&map), "computed:map"),
        (stays_send(of_awaited_list(vec![2, 1])).await, "2"),
    ] {
        assert_eq!(key.expect("free").as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn an_empty_list_of_keys_locks_nothing_and_is_an_error() {
    support();
    let mut none = Vec::new();
    assert!(matches!(of_iterator(&mut none), Err(Error::Lock(LockError::Config(_)))));
    let empty = of_awaited_list(Vec::new()).await;
    assert!(matches!(empty, Err(Error::Lock(LockError::Config(_)))));
}
