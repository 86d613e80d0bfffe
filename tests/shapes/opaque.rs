use std::fmt::Debug;

use distlock::distributed_lock;

use super::support::{Error, support};

// 11
#[distributed_lock("opaque:whole", on_error = panic)]
fn evens(limit: u32) -> impl Iterator<Item = impl Debug> {
    (0..limit).filter(|n| n % 2 == 0)
}

#[test]
fn a_whole_impl_trait_return_needs_only_a_policy() {
    support();
    assert_eq!(format!("{:?}", evens(5).collect::<Vec<_>>()), "[0, 2, 4]");
}

// 12
#[distributed_lock("opaque:nested")]
fn up_to(limit: u32) -> Result<impl Iterator<Item = u32>, Error> {
    if limit == 0 {
        return Err(Error::Own("empty"));
    }
    Ok((0..limit).map(|n| n + 1))
}

#[test]
fn a_nested_impl_trait_is_inferred() {
    support();
    assert_eq!(up_to(2).expect("free").collect::<Vec<_>>(), [1, 2]);
    assert!(up_to(0).is_err());
}

// 13
#[distributed_lock("opaque:closure")]
fn later(value: u32) -> Result<Box<dyn FnOnce() -> u32 + Send>, Error> {
    Ok(Box::new(move || value + 1))
}

// 14
#[distributed_lock("opaque:arms")]
fn either(up: bool) -> Result<Box<dyn Iterator<Item = u32>>, Error> {
    if up { Ok(Box::new(0..3)) } else { Ok(Box::new((0..3).rev())) }
}

#[test]
fn a_box_coerces_to_a_trait_object() {
    support();
    assert_eq!(later(1).expect("free")(), 2);
    assert_eq!(either(true).expect("free").collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(either(false).expect("free").collect::<Vec<_>>(), [2, 1, 0]);
}
