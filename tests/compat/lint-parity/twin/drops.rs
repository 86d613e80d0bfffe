//! Where temporaries and bindings are dropped, which an edition may change.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::cell::RefCell;
use std::sync::{Mutex, RwLock};

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn tail_temporary(cell: &RefCell<Vec<String>>) -> Answer<usize> {
    let guard = Droppy(1);
    Ok(cell.borrow().len() + Droppy(2).number() + guard.number())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn tail_temporary_async(cell: &RefCell<Vec<String>>) -> Answer<usize> {
    let guard = Droppy(1);
    Ok(cell.borrow().len() + Droppy(2).number() + guard.number())
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn tail_of_match(first: Mutex<u32>) -> u32 {
    let second = Droppy(1);
    match first.lock() {
        Ok(guard) => *guard + second.number() as u32,
        Err(_) => 1,
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn rescoped(lock: &RwLock<Option<u32>>) -> Answer<u32> {
    if let Some(number) = *lock.read().unwrap() {
        return Ok(number);
    } else {
        *lock.write().unwrap() = Some(Droppy(3).number() as u32);
    }
    if let Some(number) = Droppy(4).optional() { Ok(number) } else { Ok(2) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn rescoped_async(lock: &RwLock<Option<u32>>) -> Answer<u32> {
    if let Some(number) = *lock.read().unwrap() {
        return Ok(number);
    } else {
        *lock.write().unwrap() = Some(Droppy(3).number() as u32);
    }
    if let Some(number) = Droppy(4).optional() { Ok(number) } else { Ok(2) }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn captured(pair: (Droppy, Droppy), names: (String, String)) -> Answer<usize> {
    let closure = || {
        let first = pair.0;
        first.number() + names.0.len()
    };
    let length = closure();
    Ok(length + names.1.len())
}

pub struct Droppy(usize);

impl Droppy {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn number(&self) -> usize {
        self.0
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn optional(&self) -> Option<u32> {
        Some(self.0 as u32)
    }
}

impl Drop for Droppy {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}
