//! What some code bases forbid.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn forbidden(map: &HashMap<u32, u32>, set: &HashSet<u32>) -> Answer<Vec<u32>> {
    let shared = Rc::new(RefCell::new(1));
    let counter = Rc::new(Mutex::new(1));
    let lonely = Arc::new(RefCell::new(1));
    let all = map.values().copied().chain(set.iter().copied()).collect();
    let clone = Rc::clone(&shared);
    let debug = format!("{:?}", clone);
    let bytes = "text".as_bytes()[0].to_ne_bytes();
    let little = 1_u32.to_le_bytes();
    let big = u32::from_be_bytes([1, 2, 3, 4]);
    let text: String = "a".to_string() + "b" + &debug;
    let owned = "a".to_owned();
    let file = std::fs::File::open("/etc/hosts")
        .map(|file| file.metadata().map(|meta| meta.file_type().is_file()));
    let iterator = map.iter().map(|(key, _)| key).collect::<Vec<_>>();
    for (key, value) in map {
        drop((key, value));
    }
    for (key, _) in map {
        drop(key);
    }
    let path = std::path::Path::new("a").join("/b").display().to_string();
    let infinite = std::time::Duration::from_secs(60 * 60);
    let ref other = counter;
    let tuple = (1, 2);
    let (.., last) = tuple;
    let Some(..) = Some(1) else { return Ok(all) };
    drop((
        lonely,
        bytes,
        little,
        big,
        text,
        owned,
        file,
        iterator,
        path,
        infinite,
        other.clone(),
        last,
    ));
    Ok(all)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn forbidden_async(map: &HashMap<u32, u32>) -> Answer<Vec<u32>> {
    let all = map.values().copied().collect();
    let little = 1_u32.to_le_bytes();
    let text: String = "a".to_string() + "b";
    for (key, _) in map {
        drop(key);
    }
    drop((little, text));
    Ok(all)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn guards(mutex: &Mutex<Vec<u32>>, cell: &RefCell<u32>) -> Answer<usize> {
    let guard = mutex.lock().unwrap();
    let length = guard.len();
    println!("{length}");
    if let Some(first) = mutex.lock().unwrap().first() {
        drop(first.to_string());
    } else {
        drop(mutex.lock());
    }
    match mutex.lock().unwrap().pop() {
        Some(popped) => drop(popped),
        None => drop(mutex.lock()),
    }
    *cell.borrow_mut() += 1;
    Ok(length)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn guards_async(mutex: &Mutex<Vec<u32>>, cell: &RefCell<u32>) -> Answer<usize> {
    let guard = mutex.lock().unwrap();
    std::future::ready(1).await;
    let borrowed = cell.borrow_mut();
    std::future::ready(1).await;
    drop(borrowed);
    let length = guard.len();
    Ok(length)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn patterns(pair: &(Option<u32>, String), array: [u32; 3]) -> Answer<u32> {
    let (number, text) = pair;
    let [first, ..] = array;
    if let (Some(some), _) = pair {
        return Ok(*some);
    }
    if let Some(ref some) = *number {
        drop(some.to_string());
    }
    let whole @ (_, _) = pair;
    let closure = |&(ref one, ref two): &(u32, u32)| one + two;
    Ok(first + text.len() as u32 + whole.1.len() as u32 + closure(&(1, 2)))
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn conversions(error: std::io::Error, boxed: Box<dyn std::error::Error>) -> Answer<String> {
    let text = error.to_string();
    let lost: Result<u32, ()> = "1".parse::<u32>().map_err(|_| ());
    let found = std::env::var("HOME").ok().unwrap_or_default();
    let downcast = boxed.downcast_ref::<std::io::Error>().is_some();
    let time = std::time::Instant::now() - std::time::Duration::from_millis(1);
    let elapsed = std::time::Instant::now() - time;
    let lossy = String::from_utf8_lossy(&[1, 2]).into_owned();
    let long = Box::new(Box::new(1));
    let transmuted: u32 = unsafe { std::mem::transmute(1.0_f32) };
    let zero: u32 = unsafe { std::mem::zeroed() };
    drop((lost, downcast, elapsed, lossy, long, transmuted, zero));
    Ok(text + &found)
}
