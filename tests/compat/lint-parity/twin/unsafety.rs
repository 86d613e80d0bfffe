//! Unsafe functions and blocks.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub unsafe fn reads_pointer(pointer: *const u32) -> Answer<u32> {
    let copied = *pointer;
    let also = std::ptr::read(pointer);
    unsafe { Ok(copied + also + *pointer) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async unsafe fn reads_pointer_async(pointer: *const u32) -> Answer<u32> {
    let copied = *pointer;
    unsafe { Ok(copied + *pointer) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn dereferences(pointer: *const u32) -> Answer<u32> {
    let unneeded = unsafe { 1 };
    let copied = unsafe {
        let inner = *pointer;
        let two = std::ptr::read(pointer);
        inner + two
    };
    Ok(unneeded + copied)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn dereferences_async(pointer: *const u32) -> Answer<u32> {
    let unneeded = unsafe { 1 };
    Ok(unneeded + unsafe { *pointer })
}

static mut COUNTER: u32 = 0;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn counts() -> Answer<u32> {
    unsafe {
        COUNTER += 1;
        let reference = &COUNTER;
        Ok(*reference)
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exported(text: &str) -> Answer {
    drop(text.to_owned());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn aliases(number: &u32) -> &mut u32 {
    let pointer = number as *const u32 as *mut u32;
    unsafe { &mut *pointer }
}
