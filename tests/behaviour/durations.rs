//! Every duration setting at its limits: zero and `Duration::MAX`.

use std::time::{Duration, Instant};

use distlock::{
    LockError, LockGuard, LockManager, LockManagerBuilder, LockRequest, distributed_lock,
};
use testkit::{Direction, FaultProxy, RedisServer};

use crate::support::{LIMIT, connect, server, traces};

const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;
/// The limit of a call that does not wait.
const SOON: Duration = Duration::from_secs(10);

/// The effect of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// A free lock can be acquired.
    Works,
    /// It is a configuration error.
    Config(&'static str),
}
use Outcome::{Config, Works};

const TOO_SHORT: Outcome = Config("set at least 10ms");
const TOO_LONG: Outcome = Config("set at most 30 days");

type OfManager = fn(LockManagerBuilder, Duration) -> LockManagerBuilder;
type OfCall = fn(LockRequest, Duration) -> LockRequest;
type Attribute = fn(&LockManager, Duration) -> Result<(), LockError>;

const OF_MANAGERS: [(&str, OfManager, Outcome, Outcome); 6] = [
    ("ttl", LockManagerBuilder::ttl, TOO_SHORT, TOO_LONG),
    ("wait", LockManagerBuilder::wait, Works, Works),
    ("max_hold", LockManagerBuilder::max_hold, TOO_SHORT, Works),
    ("margin", LockManagerBuilder::clock_margin, Works, Config("set a longer ttl")),
    ("guard", LockManagerBuilder::server_ttl_slack, Works, TOO_LONG),
    ("outage", LockManagerBuilder::outage_timeout, Works, Works),
];

const OF_CALLS: [(&str, OfCall, Attribute, Outcome, Outcome); 4] = [
    ("ttl", LockRequest::ttl, with_ttl, TOO_SHORT, TOO_LONG),
    ("wait", LockRequest::wait, with_wait, Works, Works),
    ("max_hold", LockRequest::max_hold, with_max_hold, TOO_SHORT, Works),
    ("linger", LockRequest::linger, with_linger, Works, Works),
];

#[distributed_lock("durations:{}", key(), manager = locks, ttl = ttl)]
fn with_ttl(locks: &LockManager, ttl: Duration) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("durations:{}", key(), manager = locks, wait = wait)]
fn with_wait(locks: &LockManager, wait: Duration) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("durations:{}", key(), manager = locks, max_hold = max_hold)]
fn with_max_hold(locks: &LockManager, max_hold: Duration) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("durations:{}", key(), manager = locks, linger = linger)]
fn with_linger(locks: &LockManager, linger: Duration) -> Result<(), LockError> {
    Ok(())
}

/// A new manager for each row, so that state of one row does not affect the next.
fn key() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[track_caller]
fn check(what: &str, expected: Outcome, call: impl FnOnce() -> Result<(), LockError>) {
    let start = Instant::now();
    let outcome = call();
    assert!(start.elapsed() < SOON, "{what} took {:?}", start.elapsed());
    match (expected, outcome) {
        (Works, Ok(())) => {}
        (Config(advice), Err(LockError::Config(text))) => {
            assert!(text.contains(advice), "{what}: {text}");
        }
        (expected, outcome) => panic!("{what} is {outcome:?}, not {expected:?}"),
    }
}

/// Typical use of a lock: hold, nest, release.
fn use_it(guard: LockGuard) -> Result<(), LockError> {
    assert!(guard.hold().is_valid());
    guard.release_blocking()
}

#[test]
fn zero_and_the_longest_of_every_setting_of_a_manager() {
    let server = server();
    for (setting, set, zero, longest) in OF_MANAGERS {
        for (value, expected) in [(ZERO, zero), (MAX, longest)] {
            let what = format!("{setting} = {value:?} of a manager");
            check(&what, expected, || {
                let locks = set(LockManager::builder().url(server.url()), value).build()?;
                use_it(locks.mutex("durations").acquire_blocking()?)?;
                use_it(locks.mutex("durations").strict_fifo().acquire_blocking()?)?;
                use_it(locks.mutex_many(["durations:a", "durations:b"]).acquire_blocking()?)
            });
        }
    }
}

#[test]
fn zero_and_the_longest_of_every_setting_of_a_call() {
    let server = server();
    let locks = connect(&server);
    for (setting, set, attribute, zero, longest) in OF_CALLS {
        for (value, expected) in [(ZERO, zero), (MAX, longest)] {
            let what = format!("{setting} = {value:?}");
            let request = |locks: &LockManager| set(locks.mutex(format!("d:{}", key())), value);
            check(&what, expected, || use_it(request(&locks).acquire_blocking()?));
            check(&what, expected, || use_it(request(&locks).strict_fifo().acquire_blocking()?));
            check(&what, expected, || attribute(&locks, value));
            let keys = [key(), key()].map(|key| key.to_string());
            check(&what, expected, || {
                use_it(set(locks.mutex_many(keys), value).acquire_blocking()?)
            });
        }
    }
}

#[test]
fn every_limit_of_handoffs_works() {
    let server = server();
    for bound in [0, 1, u32::MAX] {
        let builder = LockManager::builder().url(server.url()).max_handoffs(bound);
        let locks = builder.build().unwrap();
        use_it(locks.mutex("durations").acquire_blocking().unwrap()).unwrap();
    }
}

#[test]
fn an_unlimited_outage_timeout_waits_as_long_as_the_call() {
    let port = testkit::ReservedPort::new().unwrap();
    let locks = LockManager::builder().url(port.url()).outage_timeout(MAX).build().unwrap();
    let start = Instant::now();
    let error = locks.mutex("durations").wait(LIMIT / 20).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(start.elapsed() >= LIMIT / 20, "{:?}", start.elapsed());
}

#[test]
fn a_ttl_that_the_margin_uses_up_is_refused_wherever_it_is_set() {
    let server = server();
    let margin = Duration::from_secs(1);
    let locks = LockManager::builder().url(server.url()).clock_margin(margin).build().unwrap();
    let config = |outcome: Result<LockGuard, LockError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(&error, LockError::Config(text) if text.contains("margin")), "{error:?}");
    };
    for ttl in [margin / 2, margin] {
        config(locks.mutex("durations").ttl(ttl).wait(LIMIT).acquire_blocking());
        config(locks.mutex("durations").ttl(ttl).strict_fifo().wait(LIMIT).acquire_blocking());
        config(locks.mutex_many(["a", "b"]).ttl(ttl).wait(LIMIT).acquire_blocking());
        let around = locks.mutex("durations").acquire_blocking().unwrap();
        around.enter(|| config(locks.mutex("durations").ttl(ttl).acquire_blocking()));
    }
    use_it(locks.mutex("durations").ttl(margin * 2).acquire_blocking().unwrap()).unwrap();
    let error = LockManager::builder().url(server.url()).ttl(margin).clock_margin(margin).build();
    assert!(matches!(error, Err(LockError::Config(_))));
}

/// A server with this latency.
fn far(round_trip: Duration) -> (RedisServer, FaultProxy) {
    let server = server();
    let proxy = FaultProxy::start(&server).unwrap();
    proxy.delay(Direction::ToClient, round_trip);
    (server, proxy)
}

#[test]
fn a_ttl_below_the_round_trip_is_reported_and_blocks_no_other_request() {
    let (server, proxy) = far(Duration::from_millis(150));
    let locks = LockManager::connect(&proxy.url()).unwrap();
    use_it(locks.mutex("durations").acquire_blocking().unwrap()).unwrap();
    let before = crate::support::scripts_run(&server);
    let error =
        locks.mutex("durations").ttl(Duration::from_millis(100)).acquire_blocking().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LockError::Config(_)), "{error:?}");
    assert!(text.contains("'durations'") && text.contains("shorter than a round trip"), "{text}");
    testkit::eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
    assert!(crate::support::scripts_run(&server) - before < 12, "it is not asked again and again");
}
