//! Lifetimes and borrows that the attribute's closure must not narrow.

use std::cell::Cell;

use distlock::distributed_lock;

use super::support::{Error, support};

struct Text<'a>(&'a str);

trait Named {
    fn name(&self, text: Text<'_>) -> Result<usize, Error>;
}

// 101
impl Named for Text<'_> {
    #[distributed_lock("lifetimes:anonymous:{}", self.0)]
    fn name(&self, text: Text<'_>) -> Result<usize, Error> {
        Ok(self.0.len() + text.0.len())
    }
}

#[distributed_lock("lifetimes:anonymous:{}", text.0)]
async fn anonymous<'a>(text: &Text<'a>, _other: &Text<'_>) -> Result<Text<'a>, Error> {
    tokio::task::yield_now().await;
    Ok(Text(text.0))
}

#[tokio::test]
async fn a_lifetime_without_a_name_stays_without() {
    support();
    assert_eq!(Text("a").name(Text("bc")).expect("free"), 3);
    let text = {
        let short = String::from("a");
        anonymous(&Text("long"), &Text(&short)).await.expect("free")
    };
    assert_eq!(text.0, "long");
}

// 102
#[distributed_lock("lifetimes:static:{}", values.len())]
fn only_in_the_return_type<'a>(values: &[String]) -> Result<Text<'a>, Error> {
    if values.is_empty() { Err(Error::Own("empty")) } else { Ok(Text("static")) }
}

#[distributed_lock("lifetimes:static")]
async fn of_the_program(_id: &u32) -> Result<&'static str, Error> {
    tokio::task::yield_now().await;
    Ok("static")
}

#[tokio::test]
async fn a_result_may_outlive_every_argument() {
    support();
    let text: Text<'static> = only_in_the_return_type(&[String::new()]).expect("free");
    let other = {
        let id = 1;
        of_the_program(&id).await.expect("free")
    };
    assert_eq!(text.0, other);
}

// 103
#[distributed_lock("lifetimes:captured", on_error = panic)]
fn captured(values: &[u32], by: &u32) -> impl Iterator<Item = u32> {
    values.iter().map(move |value| value + by)
}

#[distributed_lock("lifetimes:precise", on_error = panic)]
fn precise<'a, T>(values: &'a [T], _by: &str) -> impl Iterator<Item = &'a T> + use<'a, T> {
    values.iter()
}

#[test]
fn an_opaque_type_captures_what_it_says() {
    support();
    let values = [1, 2];
    assert_eq!(captured(&values, &1).sum::<u32>(), 5);
    let precise = {
        let by = String::new();
        precise(&values, &by)
    };
    assert_eq!(precise.count(), 2);
}

// 105
#[distributed_lock("lifetimes:behind:{named}")]
async fn behind(
    named: &impl std::fmt::Display,
    pointer: *const impl Sized,
) -> Result<String, Error> {
    tokio::task::yield_now().await;
    Ok(format!("{named}{}", pointer.is_null()))
}

#[tokio::test]
async fn an_unnamed_type_behind_references_and_pointers() {
    support();
    assert_eq!(behind(&1, std::ptr::null::<u8>()).await.expect("free"), "1true");
}

impl Text<'_> {
    // 106
    #[allow(clippy::needless_arbitrary_self_type, reason = "the receiver is the point")]
    #[distributed_lock("lifetimes:self:{}", self.0)]
    async fn rebound<'a>(mut self: &'a Self, other: &'a Self) -> Result<&'a str, Error> {
        tokio::task::yield_now().await;
        let first = self.0;
        self = other;
        Ok(if first.is_empty() { first } else { self.0 })
    }
}

#[tokio::test]
async fn a_receiver_that_is_a_reference_may_be_rebound() {
    support();
    assert_eq!(Text("a").rebound(&Text("b")).await.expect("free"), "b");
}

// 107
trait Lending {
    type Item<'a>
    where
        Self: 'a;

    fn lend(&mut self) -> Result<Self::Item<'_>, Error>;

    #[distributed_lock("lifetimes:lend")]
    fn twice<'a>(&'a mut self) -> Result<Self::Item<'a>, Error>
    where
        Self: 'a,
        for<'b> Self::Item<'b>: Sized,
    {
        self.lend()?;
        self.lend()
    }
}

struct Windows<T>(Vec<T>, usize);

impl<T> Lending for Windows<T> {
    type Item<'a>
        = &'a mut [T]
    where
        T: 'a;

    #[distributed_lock("lifetimes:lend", hold = hold)]
    fn lend(&mut self) -> Result<Self::Item<'_>, Error> {
        hold.check()?;
        self.1 += 1;
        self.0.get_mut(self.1 - 1..=self.1).ok_or(Error::Own("the end"))
    }
}

#[test]
fn an_associated_type_borrows_from_the_receiver() {
    support();
    let mut windows = Windows(vec![1, 2, 3], 0);
    windows.lend().expect("free")[0] = 5;
    assert_eq!(windows.twice().err().map(|error| error.to_string()).as_deref(), Some("the end"));
    assert_eq!(windows.0, [5, 2, 3]);
}

// 108
#[distributed_lock("lifetimes:where:{}", path.as_ref())]
async fn bounded<T, I>(path: &T, items: I) -> Result<Vec<I::Item>, Error>
where
    T: AsRef<str> + ?Sized,
    I: IntoIterator,
    I::Item: Copy + PartialOrd,
    for<'a> &'a I::Item: PartialEq,
{
    tokio::task::yield_now().await;
    Ok(items.into_iter().collect())
}

#[tokio::test]
async fn a_where_clause_speaks_of_types_inside_types() {
    support();
    assert_eq!(bounded("path", [1, 2]).await.expect("free"), [1, 2]);
}

// 109
#[distributed_lock("lifetimes:phases:{}", values.len())]
fn two_phases<'a>(values: &'a mut Vec<usize>, last: &mut usize) -> Result<&'a mut usize, Error> {
    values.push(values.len());
    *last = values[values.len() - 1];
    let values = &mut *values;
    values.last_mut().ok_or(Error::Own("empty"))
}

#[test]
fn an_argument_is_free_again_after_the_call() {
    support();
    let (mut values, mut last) = (vec![5], 0);
    *two_phases(&mut values, &mut last).expect("free") += 1;
    *two_phases(&mut values, &mut last).expect("free") += 1;
    assert_eq!((values, last), (vec![5, 2, 3], 2));
}

// 110
#[distributed_lock("lifetimes:invariant", on_error = panic)]
async fn invariant<'a>(place: &Cell<&'a str>, text: &'a str) -> &'a str {
    tokio::task::yield_now().await;
    place.replace(text)
}

#[tokio::test]
async fn an_invariant_argument_keeps_its_lifetime() {
    support();
    let owned = String::from("owned");
    let place = Cell::new("static");
    assert_eq!(invariant(&place, &owned).await, "static");
    assert_eq!(place.get(), "owned");
}
