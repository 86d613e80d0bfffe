use std::borrow::Cow;
use std::collections::HashMap;

use distlock::distributed_lock;

use super::support::{Error, support};

// 16
#[distributed_lock("borrows:shared")]
fn head(text: &str) -> Result<&str, Error> {
    text.get(..1).ok_or(Error::Own("empty"))
}

#[distributed_lock("borrows:freeze")]
fn freeze(values: &mut Vec<u32>) -> Result<&[u32], Error> {
    values.push(1);
    Ok(values)
}

#[distributed_lock("borrows:unique")]
fn entry<'a>(map: &'a mut HashMap<usize, String>, id: &str) -> Result<&'a mut String, Error> {
    Ok(map.entry(id.len()).or_default())
}

#[distributed_lock("borrows:reborrow", on_error = panic)]
fn same(value: &mut u32) -> &mut u32 {
    &mut *value
}

#[test]
fn a_return_value_borrows_from_an_argument() {
    support();
    assert_eq!(head("abc").expect("free"), "a");
    assert_eq!(freeze(&mut vec![0]).expect("free"), [0, 1]);
    let mut map = HashMap::new();
    entry(&mut map, "abc").expect("free").push('x');
    assert_eq!(map[&3], "x");
    let mut value = 1;
    *same(&mut value) += 1;
    assert_eq!(value, 2);
}

// 17
#[distributed_lock("borrows:outlives:{short}")]
fn longest<'short, 'long: 'short>(
    short: &'short str,
    long: &'long str,
) -> Result<&'short str, Error> {
    Ok(if short.len() > long.len() { short } else { long })
}

#[test]
fn a_longer_lifetime_shortens() {
    support();
    assert_eq!(longest("a", "bc").expect("free"), "bc");
}

// 18
#[distributed_lock("borrows:cow:{text}")]
fn trimmed(text: Cow<'_, str>) -> Result<Cow<'_, str>, Error> {
    match text {
        Cow::Borrowed(text) => Ok(Cow::Borrowed(text.trim())),
        owned @ Cow::Owned(_) => Ok(owned),
    }
}

#[test]
fn a_cow_goes_in_and_out() {
    support();
    assert_eq!(trimmed(Cow::Borrowed(" a ")).expect("free"), "a");
    assert_eq!(trimmed(Cow::Owned(" a ".to_owned())).expect("free"), " a ");
}

// 48
#[distributed_lock("borrows:async")]
async fn entry_async<'a>(
    map: &'a mut HashMap<usize, String>,
    id: &str,
) -> Result<&'a mut String, Error> {
    tokio::task::yield_now().await;
    Ok(map.entry(id.len()).or_default())
}

#[distributed_lock("borrows:async:two")]
async fn halves<'a>(text: &'a str, other: &'a mut [u32]) -> Result<(&'a str, &'a mut u32), Error> {
    tokio::task::yield_now().await;
    let first = other.first_mut().ok_or(Error::Own("empty"))?;
    Ok((&text[1..], first))
}

#[distributed_lock("borrows:async:cow")]
async fn shout(text: &str) -> Result<Cow<'_, str>, Error> {
    tokio::task::yield_now().await;
    Ok(Cow::Borrowed(text))
}

struct Shelf(Vec<u32>);

impl Shelf {
    #[distributed_lock("borrows:async:{}", self.0.len())]
    async fn last(&mut self) -> Result<&mut u32, Error> {
        self.0.push(0);
        tokio::task::yield_now().await;
        self.0.last_mut().ok_or(Error::Own("empty"))
    }
}

#[tokio::test]
async fn an_async_return_value_borrows_across_an_await() {
    support();
    let mut map = HashMap::new();
    entry_async(&mut map, "abc").await.expect("free").push('x');
    assert_eq!(map[&3], "x");
    let mut numbers = [1, 2];
    let (text, number) = halves("ab", &mut numbers).await.expect("free");
    *number = 5;
    assert_eq!(text, "b");
    assert_eq!(numbers, [5, 2]);
    let mut shelf = Shelf(vec![1]);
    *shelf.last().await.expect("free") += 5;
    assert_eq!(shelf.0, [1, 5]);
    assert_eq!(shout("x").await.expect("free"), "x");
}
