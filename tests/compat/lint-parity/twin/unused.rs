//! What is not needed: bindings, values, statements, imports, whole functions.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_bindings(argument: u32, mut mutable: u32) -> Answer<u32> {
    let local = 1;
    let mut calm = 2;
    let mut assigned = 3;
    assigned = 4;
    let (first, second) = (1, 2);
    let closure = |inner: u32| 1;
    'label: for turn in 0..2 {}
    Ok(first + mutable)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn unused_bindings_async(argument: u32, mut mutable: u32) -> Answer<u32> {
    let local = 1;
    let mut calm = 2;
    let mut assigned = 3;
    assigned = 4;
    Ok(mutable)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_values(numbers: &[u32]) -> Answer {
    numbers.iter().map(|number| number + 1);
    numbers.to_vec();
    numbers.len() == 3;
    Some(1).is_some();
    std::fs::remove_file("nothing");
    let _ = std::fs::remove_file("nothing");
    let _ = String::from("dropped at once");
    let _ = std::sync::Mutex::new(1).lock();
    let _ = async { 1 };
    unused_values_async();
    format!("text");
    (1 + 1);
    numbers;
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn unused_values_async() -> Answer {
    unused_values_async();
    std::future::ready(1);
    std::fs::remove_file("nothing");
    let _ = unused_values(&[]);
    let _ = unused_values_async();
    let _not = unused_values_async();
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_imports_inside() -> Answer {
    use std::collections::{BTreeMap, HashMap};
    use std::fmt::Debug;
    macro_rules! never {
        () => {};
    }
    let map: HashMap<u32, u32> = HashMap::new();
    fn nested() {}
    const NESTED: u32 = 1;
    static NESTED_STATIC: u32 = 1;
    struct Nested {
        field: u32,
    }
    enum Choice {
        One,
    }
    Ok(drop(map))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn never_called() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
async fn never_called_async() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
fn calls_itself(depth: u32) -> Answer {
    calls_itself(depth - 1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unreachable(flag: bool) -> Answer<u32> {
    if flag {
        return Ok(1);
        let after = 2;
    }
    loop {
        break;
        println!("never");
    }
    match flag {
        true => Ok(1),
        false => Ok(2),
        _ => Ok(3),
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn unreachable_async(flag: bool) -> Answer<u32> {
    if flag {
        return Ok(1);
        std::future::ready(1).await;
    }
    panic!("here");
    Ok(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn unused_syntax(number: u32) -> Answer<u32> {
    let braces = { number };
    let parens = (number);
    if (parens == 1) {};
    while (false) {}
    unsafe {}
    /// Says nothing of a statement.
    let documented = 1;
    #[allow(unused_variables)]
    let allowed = 1;
    return (Ok(braces + documented));
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn unused_syntax_async(number: u32) -> Answer<u32> {
    let braces = { number };
    let parens = (number);
    if (parens == 1) {};
    unsafe {}
    /// Says nothing of a statement.
    let documented = 1;
    return (Ok(braces + documented));
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[expect(unused_variables)]
pub fn fulfils(argument: u32) -> Answer {
    let local = 1;
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[expect(unused_variables, dead_code, reason = "nothing is unused")]
pub async fn fulfils_not() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[inline]
#[inline]
#[must_use]
pub fn attributed() -> Answer<u32> {
    attributed();
    Ok(1)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[deprecated(note = "use nothing")]
pub fn old() -> Answer {
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn calls_old() -> Answer {
    old()?;
    old()
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn calls_old_async() -> Answer {
    old()
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn nothing_but_a_block() -> Answer {
    { Ok(()) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn nothing_but_a_block_async() -> Answer {
    { Ok(()) }
}
