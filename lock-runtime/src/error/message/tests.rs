//! The texts as a whole, in `snapshots/errors.txt`: a case a line, as a `main` prints it that
//! returns the error. `UPDATE_SNAPSHOTS=1` rewrites them.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{env, fs, io};

use crate::api::manager::LockManager;
use crate::backend::redis::errors::{call_error, node_error};
use crate::backend::redis::value::ServerError;
use crate::backend::redis::{cluster, errors, sentinel};
use crate::error::{ClosedReason, DeadlockKind, LockError, Operation};
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::replicas::Confirmations;
use crate::protocol::request::{Failure, Loss};
use crate::types::fence::Fence;
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::replicas::{Confirm, Replicas};
use crate::types::request_id::RequestId;
use crate::types::time;
use crate::wire::reply::{BlockedBy, BlockedRequest, Reply};
use crate::wire::slot::Slot;

const WAITED: Duration = Duration::from_millis(1500);

#[test]
fn an_error_says_what_the_snapshot_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/errors.txt");
    let lines = cases().map(|(name, error)| format!("{name}: Error: {error:?}\n"));
    let text: String = lines.collect();
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, text).expect("the snapshot can be written");
    } else {
        assert_eq!(text, fs::read_to_string(&path).expect("the snapshot can be read"));
    }
}

#[test]
fn an_error_is_one_line_that_names_the_key_and_a_next_step() {
    for (name, error) in cases() {
        let text = error.to_string();
        assert!(!text.contains('\n') && !text.ends_with('.'), "{name}: {text}");
        assert!(text.starts_with(char::is_lowercase), "{name}: {text}");
        assert!(text.contains("; "), "{name} has no next step: {text}");
        let key = error.key().map(|key| format!("'{key}'"));
        assert!(key.is_none_or(|key| text.contains(&key)), "{name}: {text}");
        assert!(!text.contains("secret"), "{name}: {text}");
    }
}

#[test]
fn the_debug_form_is_the_variant_and_the_text_and_the_pretty_one_shows_all_fields() {
    let mut variants = BTreeSet::new();
    for (name, error) in cases() {
        let pretty = format!("{error:#?}");
        let (variant, _) = pretty.split_once('(').expect(name);
        assert_eq!(format!("{error:?}"), format!("{variant}: {error}"), "{name}");
        // As a field of another error.
        assert_eq!(format!("{:?}", Some(&error)), format!("Some({variant}: {error})"), "{name}");
        assert_eq!(variant.to_lowercase(), error.kind().replace('_', ""), "{name}");
        let fields: &[&str] = match &error {
            LockError::Busy(_) => &["key", "holder", "ahead", "waited", "left"],
            LockError::Lost(_)
            | LockError::Unavailable(_)
            | LockError::Refused(_)
            | LockError::Closed(_) => &["key", "reason", "cause"],
            LockError::NoReply(_) | LockError::KeyConflict(_) => &["key", "waited"],
            LockError::DataLoss(_) => &["key", "left"],
            LockError::Deadlock(_) => &["key", "waited", "cycle", "kind"],
            LockError::Config(_) => &[],
        };
        for field in fields {
            assert!(pretty.contains(&format!("\n        {field}: ")), "{name}, {field}: {pretty}");
        }
        variants.insert(variant.to_owned());
    }
    assert_eq!(variants.len(), 10, "each variant has a case: {variants:?}");
}

#[test]
fn an_error_is_its_own_root_cause_so_that_reports_show_it_once() {
    for (name, error) in cases() {
        assert!(error.source().is_none(), "{name}");
        let text = error.to_string();
        let io = io::Error::from(error);
        assert_eq!(io.to_string(), text, "{name}");
        assert!(io.source().is_none(), "{name}");
    }
}

fn cases() -> impl Iterator<Item = (&'static str, LockError)> {
    let of_others = busy().into_iter().chain(deadlocks()).chain(lost());
    of_others
        .chain(of_replicas())
        .chain(of_the_server())
        .chain(of_questions())
        .chain(of_no_server())
        .chain(replies())
        .chain(config())
}

fn failed(failure: Failure) -> LockError {
    LockError::from_failure("account:7", WAITED, failure)
}

fn blocked(waited: Duration, blocked_by: BlockedBy, ahead: u64, left: Option<u64>) -> LockError {
    let left = left.map(Duration::from_secs);
    let busy = crate::wire::reply::BusyReply { blocked_by, left, ahead, ticket: None };
    LockError::from_failure("account:7", waited, Failure::Busy(busy))
}

fn held() -> BlockedBy {
    held_by(RequestId::from_bits(0x005e_c4e7))
}

fn held_by(id: RequestId) -> BlockedBy {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let owner = OwnerInfo {
        ttl: Duration::from_secs(30),
        since_unix_ms: u64::try_from(since).unwrap_or_default(),
        pid: 4711,
        host: "web-1".into(),
        function: "bank::withdraw".to_owned(),
    };
    BlockedBy::Holder(Some(Box::new(HolderInfo {
        fence: Fence::new(42),
        id,
        owner,
        held_unix_ms: None,
    })))
}

fn busy() -> Vec<(&'static str, LockError)> {
    vec![
        ("busy, tried once", blocked(Duration::ZERO, held(), 0, None)),
        ("busy, next in the queue", blocked(WAITED, held(), 0, None)),
        ("busy, one ahead", blocked(WAITED, held(), 1, None)),
        ("busy, three ahead", blocked(WAITED, held(), 3, None)),
        ("busy, holder unknown", blocked(WAITED, BlockedBy::Holder(None), 0, None)),
        ("busy, kept", blocked(Duration::ZERO, held_by(RequestId::NONE), 0, Some(12))),
        ("busy, in this process", LockError::busy_here("account:7", WAITED)),
        ("key conflict, tried once", blocked(Duration::ZERO, BlockedBy::KeyConflict, 0, None)),
        ("key conflict", blocked(WAITED, BlockedBy::KeyConflict, 0, None)),
        ("data loss", blocked(WAITED, BlockedBy::DataLoss, 0, None)),
        ("data loss, with an end", blocked(WAITED, BlockedBy::DataLoss, 0, Some(25))),
    ]
}

fn deposit(number: usize) -> OwnerInfo {
    OwnerInfo {
        ttl: Duration::ZERO,
        since_unix_ms: 0,
        pid: 4711,
        host: format!("web-{}", number + 1).into(),
        function: "bank::deposit".to_owned(),
    }
}

/// The call for `account:7`, which waits for that of each next one of `others`, and the last of
/// them for it.
fn in_a_circle(others: &[&str]) -> LockError {
    let member = |(number, key): (usize, &&str)| BlockedRequest {
        id: RequestId::from_bits(0x005e_c4e7),
        refreshed_us: 0,
        key: (*key).to_owned(),
        owner: deposit(number),
    };
    let keys = [&["account:7"], others].concat();
    LockError::deadlock("account:7", WAITED, keys.iter().enumerate().map(member).collect())
}

fn of_replicas() -> Vec<(&'static str, LockError)> {
    let (id, now) = (RequestId::from_bits(0x005e_c4e7), time::now());
    let mut confirmations = Confirmations::new(now);
    let confirm = Confirm::new(Replicas::All, Duration::from_secs(1)).expect("all of them");
    confirmations.begin(id, confirm);
    confirmations.counted(now, 2);
    let had = now.plus(Duration::from_millis(300));
    let reply = Reply::Released(true);
    confirmations.hold_back(0, &[id], now, reply);
    let unconfirmed = confirmations.unconfirmed(had, id, 1).expect("one is missing");
    let refused = Loss::Refused(unconfirmed.refusal().into());
    vec![
        ("replicas, one of two", failed(unconfirmed.failure())),
        ("replicas, unknown", failed(confirmations.why_not_granted(had, id).expect("unknown"))),
        ("replicas, renewal", LockError::lost("account:7", refused)),
        ("replicas, nested", LockError::not_confirmed("account:7", "bank::withdraw")),
    ]
}

fn deadlocks() -> Vec<(&'static str, LockError)> {
    vec![
        // A call that waits for a sibling which waits for it.
        ("deadlock, one call", in_a_circle(&[])),
        ("deadlock, two calls", in_a_circle(&["account:8"])),
        ("deadlock, three calls", in_a_circle(&["account:8", "account:9"])),
        ("deadlock, not re-entrant", at_once(|holder| DeadlockKind::NotReentrant { holder })),
        ("deadlock, on one stack", at_once(|holder| DeadlockKind::BlocksHolder { holder })),
    ]
}

fn at_once(kind: impl FnOnce(String) -> DeadlockKind) -> LockError {
    let kind = kind("bank::withdraw at src/bank.rs:7".to_owned());
    LockError::deadlock_at_once("account:7", deposit(0), kind)
}

const NOPERM: &str = "NOPERM the user may not run 'DEL' on the keys of a lock";

fn lost() -> Vec<(&'static str, LockError)> {
    vec![
        ("lost, expired", LockError::lost("account:7", Loss::Expired)),
        ("lost, not on the server", LockError::lost("account:7", Loss::NotOnServer)),
        ("lost, max_hold", LockError::lost("account:7", Loss::MaxHold)),
        ("lost, shutdown", LockError::lost("account:7", Loss::Shutdown)),
        ("lost, renewals refused", LockError::lost("account:7", Loss::Refused(NOPERM.into()))),
        ("lost, release refused", LockError::not_released("account:7", NOPERM)),
        ("lost, released", LockError::released("account:7")),
        ("lost, release not confirmed", LockError::unconfirmed("account:7")),
    ]
}

fn of_the_server() -> Vec<(&'static str, LockError)> {
    let unavailable = |reason: &str| failed(Failure::Unavailable(reason.to_owned()));
    vec![
        ("unavailable", unavailable("127.0.0.1:6379: Connection refused (os error 111)")),
        ("unavailable, broken", unavailable("the connection broke")),
        ("no reply", failed(Failure::NoReply)),
        ("closed", LockError::closed("account:7", ClosedReason::ShutDown)),
        ("closed, died", LockError::closed("account:7", ClosedReason::Panicked)),
        ("closed, forked", LockError::closed("account:7", ClosedReason::Forked)),
    ]
}

/// Of calls that do not want the lock.
fn of_questions() -> Vec<(&'static str, LockError)> {
    let unavailable = || failed(Failure::Unavailable("the connection broke".to_owned()));
    let refused = |why: &str| failed(Failure::Refused(why.to_owned()));
    let closed = || LockError::closed("account:7", ClosedReason::ShutDown);
    let noscan = "NOPERM User app has no permissions to run the 'scan' command";
    let list =
        |failure| LockError::from_failure("lock:", Duration::ZERO, failure).of(Operation::List);
    vec![
        ("inspection, unavailable", unavailable().of(Operation::Inspect)),
        ("inspection, refused", refused(NOPERM).of(Operation::Inspect)),
        ("inspection, closed", closed().of(Operation::Inspect)),
        ("forced release, unavailable", unavailable().of(Operation::ForceRelease)),
        ("forced release, refused", refused(NOPERM).of(Operation::ForceRelease)),
        ("forced release, closed", closed().of(Operation::ForceRelease)),
        ("list, unavailable", list(Failure::Unavailable("the connection broke".to_owned()))),
        ("list, refused", list(Failure::Refused(noscan.to_owned()))),
        ("list, closed", LockError::closed("lock:", ClosedReason::Forked).of(Operation::List)),
    ]
}

#[test]
fn an_error_of_a_list_has_no_key() {
    let mut names = Vec::new();
    for (name, error) in of_questions() {
        assert_eq!(error.key().is_none(), name.starts_with("list"), "{name}");
        names.push(name);
    }
    assert!(names.iter().any(|name| name.starts_with("list")), "{names:?}");
}

/// Of servers that cannot be connected to, and of Sentinels or nodes that lead to none.
fn of_no_server() -> impl Iterator<Item = (&'static str, LockError)> {
    let lead_to_none = sentinel::tests::errors().into_iter().chain(cluster::tests::errors());
    errors::tests::errors().chain(lead_to_none).map(|(name, error)| {
        let failure = match error.kind {
            ConnectErrorKind::Unreachable => Failure::Unavailable,
            ConnectErrorKind::Permanent => Failure::Refused,
        };
        (name, failed(failure(error.text)))
    })
}

/// Replies of a server to a command, by what they end a wait with.
fn replies() -> Vec<(&'static str, LockError)> {
    let lines = [
        "NOSCRIPT No matching script. Please use EVAL.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "READONLY You can't write against a read only replica.",
        "UNBLOCKED force unblock from blocking operation, instance state changed",
        "NOREPLICAS Not enough good replicas to write.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
        "CROSSSLOT Keys in request don't hash to the same slot",
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOAUTH Authentication required.",
        "ERR DB index is out of range",
        "ERR two lines.",
    ];
    let code = |line: &'static str| line.split(' ').next().unwrap_or(line);
    let error = |line| failed(call_error(&ServerError::new(line)).failure());
    let of_slot = |line| {
        let slot = Slot::new(3999).expect("a slot");
        failed(node_error(&ServerError::new(line), "node-1").failure_in(slot))
    };
    let of_slots = [
        ("slot, MOVED", of_slot("MOVED 3999 127.0.0.1:6381")),
        ("slot, TRYAGAIN", of_slot("TRYAGAIN Multiple keys request during rehashing of slot")),
        ("slot, CLUSTERDOWN", of_slot("CLUSTERDOWN Hash slot not served")),
    ];
    lines.map(|line| (code(line), error(line))).into_iter().chain(of_slots).collect()
}

fn config() -> Vec<(&'static str, LockError)> {
    let url = |url: &str| LockManager::connect(url).map(drop);
    let memory = || LockManager::builder().url("memory://");
    let ttl = |ttl| memory().ttl(ttl).build().map(drop);
    let sentinel = |name, addresses: &[&'static str]| {
        LockManager::builder().sentinel(name, addresses.iter().copied()).build().map(drop)
    };
    let cluster = |addresses: &[&'static str]| {
        LockManager::builder().cluster(addresses.iter().copied()).build().map(drop)
    };
    let second = Duration::from_secs(1);
    let refused = [
        ("config, no server", LockManager::builder().build().map(drop)),
        ("config, scheme", url("http://me:a-secret@host/")),
        ("config, no scheme", url("localhost")),
        ("config, no Sentinel", sentinel("locks", &[])),
        ("config, no name", url("redis-sentinel://sentinel-1/")),
        ("config, no address", sentinel("locks", &["sentinel-1:x"])),
        ("config, no node", cluster(&[])),
        ("config, URL as a node", cluster(&["redis://node-1:7000"])),
        ("config, database of a cluster", url("redis-cluster://me:a-secret@node-1/2")),
        (
            "config, database for a cluster",
            LockManager::builder().cluster(["node-1"]).database(2).build().map(drop),
        ),
        ("config, ttl of zero", ttl(Duration::ZERO)),
        ("config, short ttl", ttl(Duration::from_micros(9500))),
        ("config, long ttl", ttl(31 * 24 * 3600 * second)),
        ("config, margin", memory().ttl(second).clock_margin(second).build().map(drop)),
        ("config, prefix", memory().prefix("a b").build().map(drop)),
    ];
    refused.map(|(name, built)| (name, built.expect_err(name))).into()
}
