//! Tasks that an executor runs on the stack of a holder, without being called by it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use distlock::error::DeadlockKind;
use distlock::{Fence, LockError, LockManager, current, distributed_lock};
use futures::future::join;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local, yield_now};

use crate::support::{LIMIT, connect, server, until_free};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A counter that loses updates where sections overlap, and what the sections saw of each other.
#[derive(Default)]
struct Account {
    balance: AtomicU32,
    inside: AtomicBool,
    overlaps: AtomicU32,
}

impl Account {
    /// Begins an update: the balance that it is based on.
    fn begin(&self) -> u32 {
        if self.inside.swap(true, Ordering::SeqCst) {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        self.balance.load(Ordering::SeqCst)
    }

    fn end(&self, before: u32) {
        self.balance.store(before + 1, Ordering::SeqCst);
        self.inside.store(false, Ordering::SeqCst);
    }

    fn assert_balance(&self, updates: u32) {
        assert_eq!(self.overlaps.load(Ordering::SeqCst), 0, "sections overlapped");
        assert_eq!(self.balance.load(Ordering::SeqCst), updates, "an update was lost");
    }
}

/// The task that is not the holder's, and how far it has come.
#[distributed_lock("account", manager = locks)]
async fn add(locks: &LockManager, account: &Account) -> Result<(), LockError> {
    let before = account.begin();
    yield_now().await;
    account.end(before);
    Ok(())
}

async fn add_ten(locks: LockManager, account: Arc<Account>, asked: Arc<AtomicBool>) {
    for _ in 0..10 {
        asked.store(true, Ordering::SeqCst);
        add(&locks, &account).await.expect("it gets its turn");
    }
}

/// Yields until other tasks of this runtime have started.
async fn let_others_run(asked: &AtomicBool) {
    while !asked.load(Ordering::SeqCst) {
        yield_now().await;
    }
    for _ in 0..100 {
        yield_now().await;
    }
}

#[distributed_lock("account", manager = locks)]
fn hold_and_block_on(
    locks: &LockManager,
    runtime: &Runtime,
    account: &Account,
    asked: &AtomicBool,
) -> Result<(), LockError> {
    let before = account.begin();
    runtime.block_on(let_others_run(asked));
    account.end(before);
    Ok(())
}

#[test]
fn a_task_that_a_holder_s_block_on_runs_contends() {
    let server = server();
    let (locks, account, asked) = (connect(&server), Arc::default(), Arc::default());
    let runtime = current_thread();
    let task = runtime.spawn(add_ten(locks.clone(), Arc::clone(&account), Arc::clone(&asked)));
    hold_and_block_on(&locks, &runtime, &account, &asked).unwrap();
    runtime.block_on(task).unwrap();
    account.assert_balance(11);
    until_free(&locks, "account");
}

#[distributed_lock("account", manager = locks)]
async fn hold_and_run_until(
    locks: &LockManager,
    local: &LocalSet,
    account: &Account,
    asked: &AtomicBool,
) -> Result<(), LockError> {
    let before = account.begin();
    local.run_until(let_others_run(asked)).await;
    account.end(before);
    Ok(())
}

async fn beside_local_tasks() {
    let server = server();
    let (locks, account, asked) = (connect(&server), Arc::default(), Arc::default());
    let local = LocalSet::new();
    let task = local.spawn_local(add_ten(locks.clone(), Arc::clone(&account), Arc::clone(&asked)));
    hold_and_run_until(&locks, &local, &account, &asked).await.unwrap();
    local.run_until(task).await.unwrap();
    account.assert_balance(11);
}

#[test]
fn a_local_task_that_a_holder_s_run_until_runs_contends() {
    current_thread().block_on(beside_local_tasks());
}

#[test]
fn a_local_task_contends_where_the_holder_is_a_task_itself() {
    let runtime = current_thread();
    let local = LocalSet::new();
    let outer = local.spawn_local(beside_local_tasks());
    runtime.block_on(local.run_until(outer)).unwrap();
}

/// What a task that is not the holder's sees of its holds.
#[test]
fn a_task_on_a_holder_s_stack_has_no_hold_around_it() {
    let server = server();
    let locks = connect(&server);
    let runtime = current_thread();
    let guard = locks.mutex("account").acquire_blocking().unwrap();
    guard.enter(|| {
        let share = guard.hold().share().unwrap();
        let task = runtime.spawn(async move {
            assert!(current().is_none());
            let own = locks.mutex("another").acquire().await.unwrap();
            own.scope(async { assert!(current().unwrap().for_key("account").is_none()) })
                .await
                .unwrap();
            share.run(|| assert_eq!(current().unwrap().key(), "account"));
            assert!(locks.mutex("account").try_acquire().await.unwrap().is_none());
            assert!(locks.mutex("account").try_acquire_blocking().unwrap().is_none());
        });
        runtime.block_on(task).unwrap();
        assert_eq!(current().unwrap().key(), "account");
    });
}

#[distributed_lock("account", manager = locks)]
fn add_blocking(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

fn assert_blocks_holder<T: std::fmt::Debug>(call: Result<T, LockError>) {
    let error = call.expect_err("it can never be granted");
    let LockError::Deadlock(deadlock) = &error else { panic!("{error:?}") };
    let DeadlockKind::BlocksHolder { holder } = &deadlock.kind else { panic!("{error:?}") };
    assert!(holder.contains("foreign_tasks.rs"), "{holder}");
    assert!(error.to_string().contains(holder), "{error}");
}

#[test]
fn a_sync_call_on_top_of_a_holder_s_stack_is_a_deadlock_at_once() {
    let server = server();
    let locks = connect(&server);
    let runtime = current_thread();
    let guard = locks.mutex("account").acquire_blocking().unwrap();
    guard.enter(|| {
        let locks = locks.clone();
        let task = runtime.spawn(async move {
            assert_blocks_holder(add_blocking(&locks));
            assert_blocks_holder(locks.mutex("account").wait(LIMIT).acquire_blocking());
            assert_blocks_holder(locks.mutex_many(["account", "another"]).acquire_blocking());
            let own = locks.mutex("another").acquire_blocking().expect("a free key");
            own.enter(|| assert_blocks_holder(add_blocking(&locks)));
        });
        runtime.block_on(task).unwrap();
    });
}

#[distributed_lock("account", manager = locks)]
fn add_blocking_around<R>(locks: &LockManager, body: impl FnOnce() -> R) -> Result<R, LockError> {
    Ok(body())
}

#[test]
fn a_sync_call_that_waits_for_a_turn_of_its_own_stack_is_a_deadlock_at_once() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("account").acquire_blocking().unwrap();
    let share = guard.hold().share().unwrap();
    guard.enter(|| {
        let nested = || share.run(|| add_blocking(&locks));
        add_blocking_around(&locks, || assert_blocks_holder(nested())).unwrap();
        nested().expect("the turn is free now");
    });
}

#[test]
fn a_rayon_job_that_may_not_re_enter_never_runs_inside_another_one() {
    let server = server();
    let locks = LockManager::builder().url(server.url()).reenter(false).build().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let (stranger, (done, job)) = (locks.clone(), mpsc::channel());
        add_blocking_around(&locks, || {
            rayon::spawn(move || done.send(add_blocking(&stranger)).unwrap());
            // Like a wait in `join` or `scope`: runs any job of the pool on this stack.
            while job.try_recv().map(assert_refused).is_err() {
                rayon::yield_now();
            }
        })
        .unwrap();
    });
}

fn assert_refused<T: std::fmt::Debug>(call: Result<T, LockError>) {
    let error = call.expect_err("it may not re-enter");
    let LockError::Deadlock(deadlock) = &error else { panic!("{error:?}") };
    assert!(matches!(deadlock.kind, DeadlockKind::NotReentrant { .. }), "{error:?}");
}

/// Everything that the holder calls re-enters, no matter what runs it.
#[distributed_lock("account", manager = locks, hold = hold)]
async fn call_from_a_task(locks: &LockManager) -> Result<(), LockError> {
    let fence = hold.fence();
    let nested = || nested(locks);
    assert_eq!(nested().await?, fence);

    let (one, other) = join(nested(), nested()).await;
    assert_eq!([one?, other?], [fence; 2]);

    tokio::select! {
        seen = nested() => assert_eq!(seen?, fence),
        () = std::future::pending() => unreachable!(),
    }

    let mut many: FuturesUnordered<_> = (0..5).map(|_| nested()).collect();
    while let Some(seen) = many.next().await {
        assert_eq!(seen?, fence);
    }

    let boxed: futures::future::BoxFuture<'_, _> = Box::pin(nested());
    assert_eq!(tokio::time::timeout(LIMIT, boxed).await.expect("no wait")?, fence);
    assert_eq!(tokio::task::unconstrained(nested()).await?, fence);
    assert_eq!(futures::executor::block_on(nested())?, fence);
    assert_eq!(smol::block_on(nested())?, fence);

    let own = hold.share()?;
    assert_eq!(own.clone().scope(nested()).await?, fence);
    let (share, there) = (own.clone(), locks.clone());
    let scoped = tokio::spawn(share.scope(async move { self::nested(&there).await }));
    assert_eq!(scoped.await.unwrap()?, fence);
    let (share, there) = (own.clone(), locks.clone());
    let ran =
        spawn_blocking(move || share.run(|| futures::executor::block_on(self::nested(&there))));
    assert_eq!(ran.await.unwrap()?, fence);
    let (share, there) = (own, locks.clone());
    let ran = thread::spawn(move || share.run(|| smol::block_on(self::nested(&there))));
    assert_eq!(ran.join().unwrap()?, fence);
    Ok(())
}

#[distributed_lock("account", manager = locks, hold = hold)]
async fn nested(locks: &LockManager) -> Result<Fence, LockError> {
    // Not tokio's: that one is woken by a runtime, which another `block_on` on its thread keeps
    // from running.
    smol::future::yield_now().await;
    Ok(hold.fence())
}

#[tokio::test]
async fn what_a_holder_calls_re_enters_in_the_root_of_block_on() {
    let server = server();
    call_from_a_task(&connect(&server)).await.unwrap();
}

#[tokio::test]
async fn what_a_holder_calls_re_enters_in_a_task_of_one_thread() {
    let server = server();
    let locks = connect(&server);
    tokio::spawn(async move { call_from_a_task(&locks).await }).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_holder_calls_re_enters_in_a_task_of_several_threads() {
    let server = server();
    let locks = connect(&server);
    let task = tokio::spawn(async move {
        call_from_a_task(&locks).await?;
        block_in_task(&locks).await
    });
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_holder_calls_re_enters_in_a_local_task() {
    let server = server();
    let locks = connect(&server);
    let local = LocalSet::new();
    let task = local.spawn_local(async move { call_from_a_task(&locks).await });
    local.run_until(task).await.unwrap().unwrap();
}

/// Blocks in a task, in every way that tokio offers.
#[distributed_lock("account", manager = locks, hold = hold)]
async fn block_in_task(locks: &LockManager) -> Result<(), LockError> {
    let here = Handle::current();
    assert_eq!(block_in_place(|| here.block_on(nested(locks)))?, hold.fence());
    let seen = block_in_place(|| {
        let inner = current_thread();
        inner.block_on(async {
            let beside = inner.spawn(async { assert!(current().is_none()) });
            let seen = nested(locks).await;
            beside.await.expect("a task of another runtime has no hold around it");
            seen
        })
    });
    assert_eq!(seen?, hold.fence());
    let seen = block_in_place(|| LocalSet::new().block_on(&current_thread(), nested(locks)));
    assert_eq!(seen?, hold.fence());
    Ok(())
}

/// A guard that is entered by a task is not entered by others that run on its stack.
#[test]
fn an_entered_guard_belongs_to_its_task() {
    let server = server();
    let locks = connect(&server);
    let runtime = current_thread();
    let local = LocalSet::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    local.block_on(&runtime, async {
        let guard = locks.mutex("account").acquire().await.unwrap();
        let (watcher, done) = (Arc::clone(&seen), Arc::new(AtomicBool::new(false)));
        let asked = Arc::clone(&done);
        spawn_local(async move {
            watcher.lock().unwrap().push(current().is_some());
            asked.store(true, Ordering::SeqCst);
        });
        let mut inside = pin!(guard.scope(async {
            let_others_run(&done).await;
            (current().is_some(), nested(&locks).await.unwrap())
        }));
        let (is_inside, fence) = inside.as_mut().await.unwrap();
        assert!(is_inside);
        assert_eq!(fence, guard.fence());
        assert_eq!(guard.enter(|| futures::executor::block_on(nested(&locks))).unwrap(), fence);
    });
    assert_eq!(*seen.lock().unwrap(), [false]);
}

/// A task that is dropped by its runtime, on a holder's stack, drops its own holds and sees none of
/// the holder's.
#[test]
fn a_task_that_is_dropped_on_a_holder_s_stack_leaves_its_own_hold() {
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl Drop for Seen {
        fn drop(&mut self) {
            let hold = current().map_or_else(String::new, |hold| hold.key().to_owned());
            self.0.lock().unwrap().push(hold);
        }
    }

    let server = server();
    let locks = connect(&server);
    let runtime = current_thread();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (notes, there) = (Arc::clone(&seen), locks.clone());
    let entered = Arc::new(AtomicBool::new(false));
    let enters = Arc::clone(&entered);
    let task = runtime.spawn(async move {
        let _outside = Seen(Arc::clone(&notes));
        let guard = there.mutex("another").acquire().await.unwrap();
        let inside = guard.scope(async move {
            let _inside = Seen(notes);
            enters.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        });
        inside.await.expect("it is not lost");
    });
    runtime.block_on(let_others_run(&entered));
    let guard = locks.mutex("account").acquire_blocking().unwrap();
    guard.enter(|| {
        task.abort();
        runtime.block_on(task).expect_err("it was aborted");
        assert_eq!(current().unwrap().key(), "account");
    });
    assert_eq!(*seen.lock().unwrap(), ["another", ""]);
    until_free(&locks, "another");
}
