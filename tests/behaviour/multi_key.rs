//! Several keys: acquired together, all or none, in one global order.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{Fence, Hold, LockError, LockManager, current, distributed_lock};

use crate::support::{LIMIT, connect, server, until_free, until_waiting};

/// Two accounts that only the locks protect.
struct Bank {
    locks: LockManager,
    balances: [Mutex<i64>; 2],
}

const ROUNDS: usize = 20;

impl Bank {
    fn new(locks: LockManager) -> Self {
        Self { locks, balances: [Mutex::new(100), Mutex::new(100)] }
    }

    #[distributed_lock(["account:{from}", "account:{to}"], manager = self.locks, wait = LIMIT)]
    fn transfer(&self, from: usize, to: usize) -> Result<(), LockError> {
        let (taken, given) = (self.read(from) - 1, self.read(to) + 1);
        thread::yield_now();
        self.write(from, taken);
        self.write(to, given);
        Ok(())
    }

    #[distributed_lock(["account:{from}", "account:{to}"], manager = self.locks, wait = LIMIT)]
    async fn transfer_async(&self, from: usize, to: usize) -> Result<(), LockError> {
        let (taken, given) = (self.read(from) - 1, self.read(to) + 1);
        tokio::task::yield_now().await;
        self.write(from, taken);
        self.write(to, given);
        Ok(())
    }

    fn read(&self, account: usize) -> i64 {
        *self.balances[account].lock().unwrap()
    }

    fn write(&self, account: usize, balance: i64) {
        *self.balances[account].lock().unwrap() = balance;
    }
}

#[test]
fn transfers_in_both_directions_by_threads_end() {
    let server = server();
    let bank = Bank::new(connect(&server));
    thread::scope(|scope| {
        for (from, to) in [(0, 1), (1, 0), (0, 1), (1, 0)] {
            let bank = &bank;
            scope.spawn(move || (0..ROUNDS).for_each(|_| bank.transfer(from, to).unwrap()));
        }
    });
    assert_eq!((bank.read(0), bank.read(1)), (100, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_in_both_directions_by_tasks_end() {
    let server = server();
    let bank = std::sync::Arc::new(Bank::new(connect(&server)));
    let tasks = [(0, 1), (1, 0), (0, 1), (1, 0)].map(|(from, to)| {
        let bank = std::sync::Arc::clone(&bank);
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                bank.transfer_async(from, to).await.unwrap();
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((bank.read(0), bank.read(1)), (100, 100));
}

#[distributed_lock("account:7", manager = locks, hold = hold)]
fn with_one(locks: &LockManager) -> Result<[Fence; 2], LockError> {
    Ok([hold.fence(), with_both(locks, 7, 8)?[0]])
}

/// The fences of the two, in the order of the arguments.
#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, wait = "0s", hold = hold)]
fn with_both(locks: &LockManager, a: u32, b: u32) -> Result<[Fence; 2], LockError> {
    Ok([fence(&hold, a), fence(&hold, b)])
}

fn fence(hold: &Hold, account: u32) -> Fence {
    hold.for_key(&format!("account:{account}")).expect("it is held").fence()
}

#[test]
fn a_key_that_an_ancestor_holds_is_entered_again() {
    let server = server();
    let locks = connect(&server);
    let [outer, inner] = with_one(&locks).unwrap();
    assert_eq!(outer, inner);
    until_free(&locks, "account:7");
    until_free(&locks, "account:8");
}

#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, hold = hold)]
fn outside(locks: &LockManager, a: u32, b: u32) -> Result<(), LockError> {
    let mine = [fence(&hold, a), fence(&hold, b)];
    assert_eq!(with_both(locks, a, b)?, mine, "the same list");
    assert_eq!(with_both(locks, b, a)?, [mine[1], mine[0]], "in another order");
    assert_eq!(with_each(locks, a)?, mine[0], "one of its keys");
    Ok(())
}

#[distributed_lock("account:{a}", manager = locks, wait = "0s", hold = hold)]
fn with_each(locks: &LockManager, a: u32) -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, hold = hold)]
async fn outside_async(locks: &LockManager, a: u32, b: u32) -> Result<(), LockError> {
    let mine = [fence(&hold, a), fence(&hold, b)];
    tokio::task::yield_now().await;
    assert_eq!(inside_async(locks, a, b).await?, mine);
    assert_eq!(with_both(locks, a, b)?, mine);
    Ok(())
}

#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, wait = "0s", hold = hold)]
async fn inside_async(locks: &LockManager, a: u32, b: u32) -> Result<[Fence; 2], LockError> {
    tokio::task::yield_now().await;
    Ok([fence(&hold, a), fence(&hold, b)])
}

#[tokio::test]
async fn the_same_list_within_itself_is_entered_again() {
    let server = server();
    let locks = connect(&server);
    outside(&locks, 7, 8).unwrap();
    outside(&locks, 8, 7).unwrap();
    outside_async(&locks, 7, 8).await.unwrap();
    outside_async(&locks, 8, 7).await.unwrap();
}

#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, wait = "0s", hold = hold)]
fn held(locks: &LockManager, a: &str, b: &str) -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

#[test]
fn keys_that_come_out_equal_count_once() {
    let server = server();
    let locks = connect(&server);
    assert_eq!(held(&locks, "7", "7").unwrap(), "account:7");
}

#[test]
fn the_hold_is_that_of_the_last_key_in_order() {
    let server = server();
    let locks = connect(&server);
    assert_eq!(held(&locks, "7", "8").unwrap(), "account:8");
    assert_eq!(held(&locks, "8", "7").unwrap(), "account:8");
}

#[distributed_lock(["account:7", "account:8"], manager = locks, hold = hold)]
fn holds_by_key(locks: &LockManager) -> Result<(), LockError> {
    for key in ["account:7", "account:8"] {
        let of = hold.for_key(key).expect("it is in the list");
        assert_eq!(of.key(), key);
        of.check()?;
    }
    assert!(hold.for_key("account:9").is_none());
    assert_eq!(current().map(|hold| hold.key().to_owned()).as_deref(), Some("account:8"));
    Ok(())
}

#[test]
fn each_key_of_a_list_has_its_hold() {
    let server = server();
    holds_by_key(&connect(&server)).unwrap();
    assert!(current().is_none());
}

#[test]
fn an_error_names_the_key_that_was_busy_and_takes_none() {
    let server = server();
    let locks = connect(&server);
    for busy in ["account:7", "account:8"] {
        let guard = connect(&server).mutex(busy).acquire_blocking().unwrap();
        match held(&locks, "8", "7").unwrap_err() {
            LockError::Busy(error) => assert_eq!(&*error.key, busy),
            other => panic!("{other:?}"),
        }
        guard.release_blocking().unwrap();
        until_free(&locks, "account:7");
        until_free(&locks, "account:8");
    }
}

#[test]
fn a_multi_key_request_waits_for_its_keys() {
    let server = server();
    let bank = Bank::new(connect(&server));
    let guard = connect(&server).mutex("account:1").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let transfer = scope.spawn(|| bank.transfer(1, 0));
        until_waiting(&bank.locks, "account:1", 1);
        guard.release_blocking().unwrap();
        transfer.join().unwrap().unwrap();
    });
    assert_eq!((bank.read(0), bank.read(1)), (101, 99));
}

#[distributed_lock(["account:{a}", "account:{b}"], manager = locks, if_busy = skip)]
fn skipped(locks: &LockManager, a: u32, b: u32) -> Result<Option<u32>, LockError> {
    Ok(Some(a + b))
}

#[distributed_lock(
    ["account:{a}", "account:{b}"],
    manager = locks,
    wait = "0s",
    on_error = |err| err.to_string()
)]
async fn handled(locks: &LockManager, a: u32, b: u32) -> String {
    "ran".to_owned()
}

#[distributed_lock(
    ["account:{a}", "account:{b}"],
    manager = locks,
    release = confirmed,
    on_error = panic
)]
fn confirmed(locks: &LockManager, a: u32, b: u32) -> u32 {
    a + b
}

#[tokio::test]
async fn a_list_goes_with_the_other_options() {
    let server = server();
    let locks = connect(&server);
    assert_eq!(confirmed(&locks, 7, 8), 15);
    let guard = connect(&server).mutex("account:7").wait(LIMIT).acquire().await.unwrap();
    assert_eq!(skipped(&locks, 7, 8).unwrap(), None);
    assert!(handled(&locks, 7, 8).await.contains("'account:7' is busy"));
    guard.release().await.unwrap();
    let next = locks.mutex("account:7").wait(LIMIT).acquire().await.unwrap();
    next.release().await.unwrap();
    until_free(&locks, "account:8");
    assert_eq!(skipped(&locks, 7, 8).unwrap(), Some(15));
}

#[distributed_lock("account:7", manager = locks)]
async fn branches(locks: &LockManager) -> Result<(), LockError> {
    let (one, list) = tokio::join!(branch_with_one(locks), branch_with_list(locks));
    one.and(list)
}

/// Takes a key while it has the turn, after the server has heard of the list.
#[distributed_lock("account:7", manager = locks)]
async fn branch_with_one(locks: &LockManager) -> Result<(), LockError> {
    for _ in 0..3 {
        locks.inspect("account:8").await?;
    }
    locks.mutex("account:8").acquire().await?.release().await
}

#[distributed_lock(["account:7", "account:8", "account:9"], manager = locks)]
async fn branch_with_list(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[tokio::test]
async fn a_multi_key_request_waits_for_a_sibling_before_it_acquires_later_keys() {
    let server = server();
    let locks = connect(&server);
    let done = tokio::time::timeout(LIMIT, branches(&locks)).await.expect("it ends");
    done.expect("the branches take their keys in one order");
}

const BRIEF: Duration = Duration::from_millis(50);

#[distributed_lock(["account:7", "account:8"], manager = locks, max_hold = BRIEF, wait = LIMIT)]
fn both(locks: &LockManager) -> Result<(), LockError> {
    panic!("it runs although one of its holds is lost")
}

#[test]
fn losing_one_key_while_waiting_for_another_is_an_error() {
    let server = server();
    let locks = connect(&server);
    let guard = connect(&server).mutex("account:8").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| both(&locks));
        until_waiting(&locks, "account:8", 1);
        let held = Instant::now();
        testkit::eventually(LIMIT, "the first hold is over", || held.elapsed() > BRIEF);
        guard.release_blocking().unwrap();
        match waits.join().unwrap().unwrap_err() {
            LockError::Lost(cause) => assert_eq!(&*cause.key, "account:7"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_multi_key_request_fails_at_its_deadline_while_the_server_is_paused() {
    let server = server();
    let locks = connect(&server);
    locks
        .mutex_many(["account:7", "account:8"])
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
    server.pause();
    let asked = Instant::now();
    let refused = locks.mutex_many(["account:7", "account:8"]).wait(BRIEF).acquire_blocking();
    let waited = asked.elapsed();
    server.resume();
    assert!(refused.is_err());
    // A single attempt waits for such a server for seven seconds.
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}
