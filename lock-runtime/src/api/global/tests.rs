use std::time::Duration;

use super::*;

/// The only test of this binary with a global manager.
#[test]
fn a_dead_io_thread_is_said_and_the_global_manager_may_be_another() {
    let manager = |name: &str| LockManager::connect(&format!("memory://{name}")).unwrap();
    init(manager("global:first")).unwrap();
    let first = global().unwrap();
    let guard = first.mutex("key").acquire_blocking().unwrap();
    assert!(init(manager("global:second")).is_err());

    let (limit, wait) = (Duration::from_secs(20), Duration::from_millis(1));
    first.core().link().link().panic();
    let end = std::time::Instant::now() + limit;
    while guard.hold().is_valid() {
        assert!(std::time::Instant::now() < end, "its holds are lost at once");
        std::thread::sleep(wait);
    }
    let lost = guard.release_blocking().unwrap_err().to_string();
    assert!(lost.contains("the lock manager has stopped after a panic"), "{lost}");
    let error = first.mutex("key").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Closed(_)), "{error:?}");
    assert!(error.to_string().contains("that has stopped after a panic"), "{error}");
    first.shutdown_blocking();

    init(manager("global:second")).unwrap();
    global().unwrap().mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    assert!(init(manager("global:third")).is_err());
}

#[test]
fn requests_end_when_the_io_thread_panics_while_they_are_sent() {
    for _ in 0..100 {
        let locks = LockManager::connect("memory://").unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        for key in ["one", "other"] {
            let (locks, done) = (locks.clone(), done.clone());
            std::thread::spawn(move || {
                let error = loop {
                    match locks.mutex(key).acquire_blocking() {
                        Ok(guard) => drop(guard),
                        Err(error) => break error,
                    }
                };
                let _ = done.send(error);
            });
        }
        locks.core().link().link().panic();
        for _ in 0..2 {
            let error = ended.recv_timeout(Duration::from_secs(20)).expect("no request hangs");
            assert!(matches!(error, LockError::Closed(_)), "{error:?}");
        }
    }
}
