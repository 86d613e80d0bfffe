use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use distlock::distributed_lock;

use super::support::{Drops, Error, support};

// 27
#[distributed_lock("bodies:inner:{limit}")]
fn inner(limit: u32) -> Result<u32, Error> {
    fn at_least_one(n: u32) -> u32 {
        if n > 1 {
            return n;
        }
        1
    }
    struct Local(u32);
    impl Local {
        fn get(&self) -> u32 {
            self.0
        }
    }
    let parse = |text: &str| -> Option<u32> {
        let digit = text.chars().next()?;
        if digit == '0' {
            return None;
        }
        digit.to_digit(10)
    };
    let mut sum = parse("5").ok_or(Error::Own("digit"))?;
    'outer: for a in 0..limit {
        for b in 0..limit {
            if a * b > 3 {
                break 'outer;
            }
            sum += at_least_one(b) + Local(a).get();
        }
    }
    Ok(sum)
}

#[test]
fn inner_items_closures_and_labels_are_the_bodys_own() {
    support();
    assert_eq!(inner(2).expect("free"), 11);
}

// 28
#[distributed_lock("bodies:else")]
fn branching(text: Option<&str>) -> Result<usize, Error> {
    let Some(text) = text else {
        return Err(Error::Own("none"));
    };
    let length = match text {
        "" => return Ok(0),
        _ if text.len() > 3 => 3,
        _ => text.len(),
    };
    Ok(length)
}

#[distributed_lock("bodies:nested", on_error = panic)]
fn nested() -> u32 {
    {
        let value = 3;
        value + 1
    }
}

#[test]
fn early_exits_and_nested_blocks_work() {
    support();
    assert!(branching(None).is_err());
    assert_eq!((branching(Some("")).ok(), branching(Some("abcd")).ok()), (Some(0), Some(3)));
    assert_eq!(nested(), 4);
}

// 29
type Log = Mutex<Vec<&'static str>>;

#[allow(clippy::needless_pass_by_value, reason = "what happens to arguments is the point")]
#[distributed_lock("bodies:drops", on_error = panic)]
fn locked(_ignored: Drops<'_>, borrowed: Drops<'_>, moved: Drops<'_>, log: &Log) {
    let local = Drops("local", log);
    drop(moved);
    assert_eq!(borrowed.0, "borrowed");
    assert_eq!(local.0, "local");
}

#[allow(clippy::needless_pass_by_value, reason = "what happens to arguments is the point")]
fn unlocked(_ignored: Drops<'_>, borrowed: Drops<'_>, moved: Drops<'_>, log: &Log) {
    let local = Drops("local", log);
    drop(moved);
    assert_eq!(borrowed.0, "borrowed");
    assert_eq!(local.0, "local");
}

#[test]
fn arguments_drop_in_the_order_of_the_unlocked_function() {
    support();
    let (with, without) = (Log::default(), Log::default());
    locked(Drops("ignored", &with), Drops("borrowed", &with), Drops("moved", &with), &with);
    unlocked(
        Drops("ignored", &without),
        Drops("borrowed", &without),
        Drops("moved", &without),
        &without,
    );
    assert_eq!(with.into_inner().expect("whole"), without.into_inner().expect("whole"));
}

// 32
#[distributed_lock("bodies:panic")]
fn failing(fail: bool) -> Result<u32, Error> {
    assert!(!fail, "on purpose");
    Ok(line!())
}

#[test]
fn a_panic_leaves_at_the_users_line_and_releases() {
    support();
    let seen = panic_line(|| drop(failing(true)));
    let body = failing(false).expect("the panic has released the key");
    assert_eq!(seen, body - 1);
    assert!(distlock::current().is_none());
}

// The hook sees every thread's panics; only this thread's line counts.
fn panic_line(fails: impl FnOnce()) -> u32 {
    use std::cell::Cell;
    thread_local!(static LINE: Cell<u32> = const { Cell::new(0) });
    let before = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        LINE.set(info.location().map_or(0, panic::Location::line));
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(fails));
    panic::set_hook(before);
    assert!(outcome.is_err());
    LINE.get()
}

// 30
#[distributed_lock("bodies:dead")]
#[expect(dead_code, reason = "a locked function that is not called is still reported")]
fn never_called() -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("bodies:dead", on_error = panic)]
#[expect(dead_code, reason = "a locked function that is not called is still reported")]
async fn never_called_async() {}

// 33
#[distributed_lock("bodies:expect")]
#[expect(unused_variables)]
fn expected(unused: u32) -> Result<(), Error> {
    Ok(())
}

#[allow(unused_mut)]
#[distributed_lock("bodies:allow")]
fn allowed() -> Result<(), Error> {
    let mut value = 1;
    assert_eq!(value, 1);
    Ok(())
}

#[distributed_lock("bodies:inner:attribute")]
fn inner_attribute() -> Result<(), Error> {
    #![allow(unused_variables)]
    let value = 1;
    Ok(())
}

#[test]
fn lint_attributes_act_as_without_the_lock() {
    support();
    assert!(expected(1).is_ok() && allowed().is_ok() && inner_attribute().is_ok());
}

// 35
macro_rules! long {
    ($value:ident, $($line:literal)*) => {
        #[distributed_lock("bodies:long")]
        fn long($value: u64) -> Result<u64, Error> {
            $(let $value = $value + $line;)*
            Ok($value)
        }
    };
}

long!(value, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);

macro_rules! from_parts {
    ($(#[$attr:meta])* $vis:vis fn $name:ident() -> $ty:ty $body:block) => {
        $(#[$attr])*
        #[distributed_lock("bodies:parts")]
        $vis fn $name() -> $ty $body
    };
}

from_parts! {
    #[inline]
    pub(super) fn parts() -> Result<u8, Error> { Ok(1) }
}

macro_rules! whole {
    ($item:item) => {
        #[distributed_lock("bodies:item")]
        $item
    };
}

whole! {
    fn item() -> Result<u8, Error> { Ok(2) }
}

#[test]
fn a_function_written_by_a_macro_is_locked() {
    support();
    assert_eq!(long(0).expect("free"), 210);
    assert_eq!((parts().ok(), item().ok()), (Some(1), Some(2)));
}
