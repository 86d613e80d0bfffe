//! Control flow of bodies, beside the function without the attribute.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use distlock::distributed_lock;
use futures::future::{self, BoxFuture, Either};

use super::support::{Error, locked_and_plain, support};

// 143
locked_and_plain! {
    labels: ["control:labels:{limit}"]
    async fn run(limit: u32) -> Result<u32, Error> {
        let found = 'search: {
            for n in 0..limit {
                tokio::task::yield_now().await;
                if n * n > 10 {
                    break 'search Some(n);
                }
            }
            None
        };
        let mut doubled = found.ok_or(Error::Own("none"))?;
        let doubled = loop {
            doubled *= 2;
            if doubled > 5 {
                break doubled;
            }
        };
        Ok(doubled)
    }
}

// 144
locked_and_plain! {
    inner: ["control:inner"]
    async fn run(text: &str) -> Result<u32, Error> {
        let early = async {
            let first = text.chars().next();
            let digit = first.and_then(|c| c.to_digit(10)).ok_or(Error::Own("digit"))?;
            if digit == 0 {
                return Ok::<_, Error>(10);
            }
            tokio::task::yield_now().await;
            Ok(digit)
        };
        let rest = async |from: usize| -> Option<u32> {
            tokio::task::yield_now().await;
            text.get(from..)?.parse().ok()
        };
        let first = early.await?;
        Ok(first + rest(1).await.unwrap_or_default())
    }
}

// 145
locked_and_plain! {
    chains: ["control:chains"]
    fn run(text: &str) -> Result<u32, Error> {
        let Some((left, right)) = text.split_once('-') else {
            return Ok(0);
        };
        if let Ok(left) = left.parse::<u32>()
            && left > 1
            && let Ok(right) = right.parse::<u32>()
        {
            return Ok(left * right);
        }
        let digit = |text: &str| text.chars().next()?.to_digit(10);
        match (digit(left), digit(right)) {
            (Some(a @ 1..=5), _) | (_, Some(a)) if a != 3 => Ok(a),
            _ => Err(Error::Own("neither")),
        }
    }
}

#[tokio::test]
async fn jumps_end_where_they_would_without_the_lock() {
    support();
    for limit in [2, 9] {
        let (plain, locked) = (labels::plain::run(limit).await, labels::locked::run(limit).await);
        assert_eq!(plain.ok(), locked.ok(), "{limit}");
    }
    for text in ["", "x", "0", "7", "712"] {
        let (plain, locked) = (inner::plain::run(text).await, inner::locked::run(text).await);
        assert_eq!(plain.ok(), locked.ok(), "{text}");
    }
    for text in ["", "x-y", "7-8", "1-x", "x-3", "3-x"] {
        assert_eq!(chains::plain::run(text).ok(), chains::locked::run(text).ok(), "{text}");
    }
    assert_eq!(chains::locked::run("7-8").expect("free"), 56);
}

// 146
locked_and_plain! {
    selected: ["control:selected:{}", numbers.len()]
    async fn run(numbers: &mut Vec<u32>) -> Result<usize, Error> {
        let mut sleeping = pin!(tokio::time::sleep(std::time::Duration::from_secs(60)));
        let number = async {
            tokio::task::yield_now().await;
            numbers.push(1);
            numbers.len()
        };
        tokio::pin!(number);
        let length = tokio::select! {
            biased;
            () = &mut sleeping => return Err(Error::Own("late")),
            length = &mut number => length,
        };
        match future::select(pin!(future::ready(length)), sleeping).await {
            Either::Left((length, _)) => Ok(length),
            Either::Right(_) => Err(Error::Own("late")),
        }
    }
}

#[tokio::test]
async fn futures_are_pinned_and_raced_inside_the_body() {
    support();
    assert_eq!(selected::plain::run(&mut vec![0]).await.expect("plain"), 2);
    assert_eq!(selected::locked::run(&mut vec![0]).await.expect("free"), 2);
}

// 147
#[distributed_lock("control:before")]
fn before_the_future(log: &RefCell<Vec<u32>>) -> future::LocalBoxFuture<'_, Result<u32, Error>> {
    log.borrow_mut().push(1);
    let length = log.borrow().len();
    if length > 1 {
        return Box::pin(future::ready(Err(Error::Own("twice"))));
    }
    let mut last = 1;
    let mut next = move || {
        last += 1;
        last
    };
    Box::pin(async move {
        tokio::task::yield_now().await;
        log.borrow_mut().push(next());
        Ok(next())
    })
}

#[distributed_lock("control:branches", on_error = panic)]
fn branches(left: bool) -> BoxFuture<'static, u32> {
    if left { Box::pin(future::ready(1)) } else { Box::pin(async { 2 }) }
}

#[tokio::test]
async fn statements_before_a_returned_future_are_not_lost() {
    support();
    let log = RefCell::default();
    assert_eq!(before_the_future(&log).await.expect("free"), 3);
    assert_eq!(*log.borrow(), [1, 2]);
    assert!(before_the_future(&log).await.is_err());
    assert_eq!((branches(true).await, branches(false).await), (1, 2));
}

// 148
#[distributed_lock("control:static:{value:?}")]
fn numbered<T: std::fmt::Debug>(value: T) -> Result<(u32, usize), Error> {
    const STEP: u32 = 2;
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let size = size_of_val(&value);
    Ok((CALLS.fetch_add(STEP, Ordering::Relaxed), size))
}

#[test]
fn a_static_of_the_body_is_one_for_all_types() {
    support();
    assert_eq!(numbered(1_u8).expect("free"), (0, 1));
    assert_eq!(numbered(1_u64).expect("free"), (2, 8));
    assert_eq!(numbered("a").expect("free").0, 4);
}

// 149
#[distributed_lock("control:even:{n}")]
async fn is_even(n: u32) -> Result<bool, Error> {
    if n == 0 { Ok(true) } else { Box::pin(is_odd(n - 1)).await }
}

#[distributed_lock("control:odd:{n}")]
fn is_odd(n: u32) -> BoxFuture<'static, Result<bool, Error>> {
    Box::pin(async move { if n == 0 { Ok(false) } else { is_even(n - 1).await } })
}

#[tokio::test]
async fn locked_functions_can_call_each_other_recursively() {
    support();
    let even = tokio::spawn(is_even(9)).await.expect("no panic");
    assert!(!even.expect("free"));
}

// 150
#[distributed_lock("control:many", on_error = panic)]
#[allow(
    clippy::too_many_arguments,
    clippy::many_single_char_names,
    reason = "the number of them is the point"
)]
async fn many(
    a: u8,
    b: &u8,
    c: Box<u8>,
    d: [u8; 2],
    e: (u8,),
    f: Option<&mut u8>,
    g: &[u8],
    h: u8,
    i: u8,
) -> u8 {
    tokio::task::yield_now().await;
    let f = f.map_or(0, |f| std::mem::replace(f, 0));
    a + b + *c + d[0] + e.0 + f + g[0] + h + i
}

#[tokio::test]
async fn there_can_be_any_number_of_arguments() {
    support();
    let mut last = 6;
    let sum = many(1, &2, Box::new(3), [4, 0], (5,), Some(&mut last), &[7], 8, 9).await;
    assert_eq!((sum, last), (45, 0));
}
