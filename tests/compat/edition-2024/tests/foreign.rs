//! Foreign functions as edition 2024 spells them; apart from the rest, which forbids unsafe code.
#![deny(warnings, rust_2018_idioms)]

mod callee {
    use distlock::distributed_lock;

    #[unsafe(no_mangle)]
    #[distributed_lock("foreign:double", on_error = |_| 0)]
    extern "C" fn consumers_double(value: u32) -> u32 {
        value * 2
    }

    /// # Safety
    /// The pointer can be read.
    #[distributed_lock("foreign:read", on_error = |_| 0)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn consumers_read(value: *const u32) -> u32 {
        // SAFETY: the caller says so; the block is needed in this edition.
        unsafe { *value }
    }
}

unsafe extern "C" {
    safe fn consumers_double(value: u32) -> u32;
    unsafe fn consumers_read(value: *const u32) -> u32;
}

#[test]
fn a_foreign_function_runs_under_the_lock() {
    let manager = distlock::LockManager::connect("memory://");
    distlock::init(manager.expect("the in-process store needs no server")).expect("the first");
    let four = consumers_double(2);
    // SAFETY: the pointer is that of a local.
    assert_eq!((four, unsafe { consumers_read(&four) }), (4, 4));
}
