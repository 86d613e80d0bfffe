//! Inspections as the body of a reply: feature `serde`.

use std::time::{Duration, SystemTime};

use distlock::{Fence, Holder, Inspection, LockManager};
use serde_json::{Value, json};
use testkit::{RedisServer, eventually};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn an_inspection_is_written_with_numbers_and_read_back() {
    let server = RedisServer::start().unwrap();
    let connect = || LockManager::connect(&server.url()).unwrap();
    let (locks, others) = (connect(), connect());
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| others.mutex("stock").acquire_blocking().map(drop));
        eventually(LIMIT, "it waits", || locks.inspect_blocking("stock").unwrap().waiting == 1);
        let seen = locks.inspect_blocking("stock").unwrap();
        let body = serde_json::to_value(&seen).unwrap();
        assert_eq!(body["holder"]["fence"], json!(guard.fence().get()));
        assert_eq!(body["holder"]["pid"], json!(std::process::id()));
        assert_eq!(body["not_a_lock"], json!(false));
        assert_eq!(body["waiting"], json!(1));
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        for who in [&body["holder"], &body["waiters"][0]] {
            let since = who["since_unix_ms"].as_u64().expect("a number");
            assert!(now.as_millis().abs_diff(u128::from(since)) < LIMIT.as_millis(), "{since}");
        }
        let left = body["expires_in_ms"].as_u64().expect("a number");
        assert!((20_000..=30_300).contains(&left), "{left}");

        let read: Inspection = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(read.holder, seen.holder);
        assert_eq!(read.waiters, seen.waiters);
        assert_eq!(serde_json::to_value(&read).unwrap(), body);
        guard.release_blocking().unwrap();
        waits.join().unwrap().unwrap();
    });
    let free = serde_json::to_value(locks.inspect_blocking("stock").unwrap()).unwrap();
    assert_eq!((&free["holder"], &free["expires_in_ms"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_token_is_written_as_a_number() {
    let token = Fence::try_from(1_700_000_000_000_000).unwrap();
    assert_eq!(serde_json::to_string(&token).unwrap(), "1700000000000000");
    assert_eq!(serde_json::from_str::<Fence>("1700000000000000").unwrap(), token);
    assert!(serde_json::from_str::<Fence>("-1").is_err());
    assert!(serde_json::from_str::<Fence>("18446744073709551615").is_err());
    assert_eq!(i64::from(token), 1_700_000_000_000_000);
}

#[test]
fn an_invalid_body_is_rejected() {
    let holder =
        json!({"fence": 1, "host": "h", "pid": 1, "function": "f", "since_unix_ms": u64::MAX});
    // Either out of the range of this system's clock, or an instant; no panic.
    let _ = serde_json::from_value::<Holder>(holder);
    let missing = json!({"fence": 1, "host": "h", "pid": 1});
    assert!(serde_json::from_value::<Holder>(missing).is_err());
}
