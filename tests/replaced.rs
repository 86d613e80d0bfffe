//! The global manager, replaced for a test. A separate binary, which has no global manager.

mod support;

use std::time::Duration;

use distlock::{
    Fence, LockError, LockManager, distributed_lock, global, with_manager, with_manager_async,
};
use tokio::runtime::Builder;

use crate::support::{connect, server};

const WAIT: Duration = Duration::from_millis(100);

#[distributed_lock("replaced", hold = hold)]
fn locked() -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[distributed_lock("replaced", hold = hold)]
async fn locked_async() -> Result<Fence, LockError> {
    tokio::task::yield_now().await;
    assert_eq!(locked()?, hold.fence());
    Ok(hold.fence())
}

#[track_caller]
fn assert_none(result: &Result<Fence, LockError>) {
    assert!(matches!(result, Err(LockError::Config(_))), "{result:?}");
}

#[test]
fn annotated_functions_use_the_manager_that_is_around_them() {
    let (first, second) = (server(), server());
    let (first, second) = (connect(&first), connect(&second));
    assert_none(&locked());
    with_manager(&first, || {
        // Each server has its own lock of that key.
        let held = second.mutex("replaced").acquire_blocking().unwrap();
        locked().unwrap();
        drop(held);
        let _held = first.mutex("replaced").acquire_blocking().unwrap();
        with_manager(&second, || locked().unwrap());
        assert!(format!("{:?}", global().unwrap()) == format!("{first:?}"));
        let busy = global().unwrap().mutex("replaced").wait(WAIT).acquire_blocking();
        assert!(matches!(busy, Err(LockError::Busy(_))), "{busy:?}");
    });
    assert_none(&locked());
}

#[test]
fn a_panic_inside_ends_the_replacement() {
    let server = server();
    let locks = connect(&server);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        with_manager(&locks, || {
            locked().unwrap();
            panic!("wanted");
        })
    }));
    assert!(panicked.is_err());
    assert_none(&locked());
}

#[test]
fn futures_carry_their_manager_from_poll_to_poll_and_do_not_mix_it_up() {
    let servers = [server(), server()];
    let managers: Vec<LockManager> = servers.iter().map(connect).collect();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let held = managers[0].mutex("replaced").acquire().await.unwrap();
        let mut waits = Box::pin(with_manager_async(&managers[0], locked_async()));
        let other = with_manager_async(&managers[1], locked_async());
        tokio::select! {
            biased;
            first = &mut waits => panic!("its manager's lock is held: {first:?}"),
            second = other => drop(second.unwrap()),
        }
        assert_none(&locked_async().await);
        drop(held);
        waits.await.unwrap();
    });
}

#[test]
fn spawned_tasks_and_threads_do_not_inherit_the_guard() {
    let server = server();
    let locks = connect(&server);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    with_manager(&locks, || {
        std::thread::scope(|scope| {
            assert_none(&scope.spawn(locked).join().unwrap());
        });
        // The task runs on this thread, inside of the closure.
        let task = runtime.spawn(async { locked_async().await });
        assert_none(&runtime.block_on(task).unwrap());
        runtime.block_on(locked_async()).unwrap();
        let wrapped = runtime.spawn(with_manager_async(&locks, locked_async()));
        runtime.block_on(wrapped).unwrap().unwrap();
    });
}

#[test]
fn what_a_dropped_future_drops_finds_the_manager_too() {
    struct AtDrop(std::sync::mpsc::Sender<Result<Fence, LockError>>);
    impl Drop for AtDrop {
        fn drop(&mut self) {
            self.0.send(locked()).unwrap();
        }
    }
    let server = server();
    let locks = connect(&server);
    let (notify, notified) = std::sync::mpsc::channel();
    let future = with_manager_async(&locks, async move {
        let _at_drop = AtDrop(notify);
        std::future::pending::<()>().await;
    });
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(future);
    notified.recv().unwrap().unwrap();
}
