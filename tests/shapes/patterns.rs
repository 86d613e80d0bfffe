use distlock::distributed_lock;

use super::support::{Error, support};

struct Pair {
    left: u32,
    right: String,
}

// 21
#[distributed_lock("patterns:{a}:{left}")]
fn picked(
    (a, _): (u32, String),
    Pair { left, right: ref name }: Pair,
    [first, .., last]: [u32; 3],
    _: Vec<u8>,
    mut extra: Vec<u32>,
    &(x, mut y): &(u64, u64),
) -> Result<String, Error> {
    extra.push(first + last);
    y += x;
    Ok(format!("{a} {left} {name} {extra:?} {y}"))
}

#[test]
fn patterns_bind_as_written_and_the_key_sees_their_names() {
    support();
    let pair = Pair { left: 2, right: "r".to_owned() };
    let text = picked((1, String::new()), pair, [3, 4, 5], Vec::new(), vec![0], &(1, 2));
    assert_eq!(text.expect("free"), "1 2 r [0, 8] 3");
}

#[distributed_lock("patterns:async:{a}")]
async fn picked_async(
    (a, _): (u32, String),
    _: Vec<u8>,
    mut extra: Vec<u32>,
) -> Result<Vec<u32>, Error> {
    tokio::task::yield_now().await;
    extra.push(a);
    Ok(extra)
}

// 52
#[tokio::test]
async fn patterns_bind_in_async_functions() {
    support();
    assert_eq!(picked_async((1, String::new()), Vec::new(), vec![0]).await.expect("free"), [0, 1]);
}

// 22
#[distributed_lock("patterns:{type}")]
fn r#match(r#type: u32) -> Result<u32, Error> {
    Ok(r#type)
}

#[test]
fn raw_identifiers_are_names_like_others() {
    support();
    assert_eq!(r#match(1).expect("free"), 1);
}

// 26
#[distributed_lock("patterns:{call}:{key}:{site}")]
fn clashing(
    call: u32,
    key: u32,
    site: u32,
    __call: u32,
    __ret: u32,
    output: u32,
) -> Result<u32, Error> {
    Ok(call + key + site + __call + __ret + output)
}

#[distributed_lock("patterns:{call}:{key}:{site}")]
async fn clashing_async(call: u32, key: u32, site: u32, output: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(call + key + site + output)
}

const LOCKED_FN: u32 = 7;

#[distributed_lock("patterns:{LOCKED_FN}")]
fn constant() -> Result<u32, Error> {
    Ok(LOCKED_FN)
}

#[tokio::test]
async fn names_that_the_expansion_uses_stay_free() {
    support();
    assert_eq!(clashing(1, 1, 1, 1, 1, 1).expect("free"), 6);
    assert_eq!(clashing_async(1, 1, 1, 1).await.expect("free"), 4);
    assert_eq!(constant().expect("free"), 7);
}

// 34
#[distributed_lock("patterns:cfg")]
fn configured(
    #[cfg(any())] missing: Missing,
    #[cfg(not(any()))] present: u32,
    #[allow(unused_variables)] unused: u32,
) -> Result<u32, Error> {
    Ok(present)
}

#[test]
fn attributes_of_single_arguments_hold() {
    support();
    assert_eq!(configured(1, 2).expect("free"), 1);
}
