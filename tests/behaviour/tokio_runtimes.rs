//! Tokio runtimes that cannot wait for sockets, and managers that end while a call waits.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use distlock::LockManager;
use tokio::runtime::{Builder, Runtime};

use crate::support::{LIMIT, connect, server};

#[test]
fn a_task_waits_in_a_runtime_without_io() {
    let server = server();
    let (one, other) = (connect(&server), connect(&server));
    let guard = other.mutex("waits").acquire_blocking().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    let waits = thread::spawn(move || {
        runtime.block_on(async {
            for _ in 0..20 {
                drop(one.mutex("free").acquire().await.unwrap());
            }
            one.mutex("waits").wait(LIMIT).acquire().await.map(drop)
        })
    });
    thread::sleep(Duration::from_millis(50));
    drop(guard);
    waits.join().unwrap().unwrap();
}

/// How long this thread has used a processor.
#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let text =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("a file of the system");
    let nanos = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_wait_whose_runtime_shuts_down_goes_on_and_does_not_spin() {
    let server = server();
    let (one, other) = (connect(&server), connect(&server));
    let guard = other.mutex("waits").acquire_blocking().unwrap();
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let waits = thread::spawn(move || {
        let held = handle.block_on(one.mutex("waits").wait(LIMIT).acquire()).map(drop);
        (held, cpu_time())
    });
    thread::sleep(Duration::from_millis(100));
    drop(runtime);
    thread::sleep(Duration::from_secs(1));
    drop(guard);
    let (held, used) = waits.join().unwrap();
    held.unwrap();
    println!("{used:?} of processor time");
    assert!(used < Duration::from_millis(100), "{used:?}");
}

#[test]
fn an_inspection_that_waits_for_a_connection_ends_with_the_manager() {
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let locks = LockManager::connect(&url).unwrap();
    let (inspects, (done, ended)) = (locks.clone(), mpsc::channel());
    // Left alone if it hangs.
    thread::spawn(move || {
        let _ = done.send(inspects.inspect_blocking("key").is_err());
    });
    thread::sleep(Duration::from_millis(50));
    assert!(locks.shutdown_within_blocking(LIMIT), "nothing is held");
    assert_eq!(ended.recv_timeout(LIMIT), Ok(true));
}
