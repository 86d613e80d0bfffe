//! Names: their case, length, likeness, shadowing.

#![allow(unused_variables)]

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn BadCase(BadArgument: u32) -> Answer<u32> {
    let BadLocal = BadArgument;
    const bad_constant: u32 = 1;
    struct bad_type;
    Ok(BadLocal)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn BadCaseAsync(BadArgument: u32) -> Answer<u32> {
    let BadLocal = BadArgument;
    Ok(BadLocal)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn short(a: u32, b: u32, c: u32, d: u32, e: u32) -> Answer<u32> {
    let f = a;
    let g = |h: u32| h;
    Ok(f + g(b) + c + d + e)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn short_async(a: u32, b: u32, c: u32, d: u32, e: u32) -> Answer<u32> {
    let f = a;
    Ok(f + b + c + d + e)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn shadows(value: u32, text: &str) -> Answer<u32> {
    let value = value;
    let value = value + 1;
    let value = "another".len();
    let text = 5;
    let closure = |value: u32| value;
    if let Some(value) = Some(text) {
        return Ok(closure(value));
    }
    Ok(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn shadows_async(value: u32, text: &str) -> Answer<u32> {
    let value = value;
    let value = value + 1;
    let value = "another".len();
    let text = 5;
    if let Some(value) = Some(text) {
        return Ok(value);
    }
    Ok(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn alike(checked: u32, checker: u32) -> Answer<u32> {
    let item_one = checked;
    let item_onf = checker;
    let foo = item_one;
    Ok(item_onf + foo)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn underscores(_used: u32, __twice: u32) -> Answer<u32> {
    let _local = _used;
    let _ = __twice;
    fn _item() {}
    _item();
    Ok(_local + 1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn underscores_async(_used: u32, __twice: u32) -> Answer<u32> {
    let _local = _used;
    Ok(_local + __twice)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn héron(größe: u32) -> Answer<u32> {
    let л = größe;
    let text = "a\u{200b}b​c";
    Ok(л)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn r#gen(r#type: u32) -> Answer<u32> {
    let r#match = r#type;
    Ok(r#match)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn items_late() -> Answer<u32> {
    let first = 1;
    fn late() -> u32 {
        2
    }
    use std::mem::size_of_val as size;
    Ok(first + late() + size(&first) as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn absolute() -> Answer<std::collections::BTreeMap<u32, std::collections::BTreeSet<u32>>> {
    let map = std::collections::BTreeMap::new();
    let _ = ::std::collections::HashMap::<u32, u32>::new();
    let _ = std::convert::identity::<core::option::Option<u32>>(std::option::Option::None);
    std::result::Result::Ok(map)
}

pub enum Kind {
    First,
    Second(u32),
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn globs(kind: Kind) -> Answer<u32> {
    use Kind::*;
    use std::collections::*;
    let map: HashMap<u32, u32> = HashMap::new();
    match kind {
        First => Ok(1),
        Second(number) if number == 0 => Ok(number),
        _ => Ok(map.len() as u32),
    }
}
