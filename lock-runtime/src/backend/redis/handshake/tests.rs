use super::*;
use crate::backend::redis::url;
use crate::wire::keyspace::DataLossGrace;

fn params(space: &Keyspace, connected_before: bool) -> ConnectParams {
    ConnectParams {
        inbox: space.inbox("process"),
        min_fence: Fence::ZERO,
        data_loss_grace: DataLossGrace { max_lease: Duration::from_secs(30), waits: true },
        failover_grace: Duration::from_secs(2),
        connected_before,
        left: Vec::new(),
        slot: None,
        confirms: false,
    }
}

/// The commands of the last round trip, for a server with this mark and these tokens.
fn prepares(connected_before: bool, mark: &str, tokens: &[(&str, &str)]) -> Vec<u8> {
    let [prepares, _] = steps(connected_before, mark, tokens, Value::Nil);
    prepares
}

/// The commands of the last round trip, and what is announced then, for a server whose data has
/// this longest lease.
fn steps(
    connected_before: bool,
    mark: &str,
    tokens: &[(&str, &str)],
    max_lease: Value,
) -> [Vec<u8>; 2] {
    let endpoint = url::parse("redis://host/").expect("a URL");
    let space = Keyspace::new("lock:");
    let lease_store = Arc::new(LeaseStore::new(&space, 0));
    let params = params(&space, connected_before);
    let (mut handshake, _) = Handshake::start(&endpoint, &space, &lease_store, None, &params);
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    let hello = [("version", "7.0.15"), ("mode", "standalone"), ("role", "master")];
    let hello = Value::Map(hello.map(|(name, value)| (text(name), text(value))).into());
    let greeted = handshake.answered(vec![hello.clone(), Value::Okay, Value::Okay]);
    assert!(matches!(greeted, Ok(NextStep::Send(_))));
    let fields = tokens.iter().map(|(field, value)| (text(field), text(value)));
    let nil = Value::Nil;
    let looked = handshake.answered(vec![
        hello,
        text(&format!("role:master\r\nmaster_replid:{mark}0123456789abcdef\r\n")),
        nil.clone(),
        nil.clone(),
        nil,
        Value::Array(vec![Value::Int(2_000_000_000)]),
        Value::Okay,
        Value::Array(Vec::new()),
        Value::Okay,
        Value::Array(vec![Value::Int(0)]),
        Value::Map(fields.collect()),
        max_lease,
    ]);
    let Ok(NextStep::Send(commands)) = looked else { panic!("it goes on") };
    let Ok(NextStep::Done(prepared)) = handshake.answered(vec![Value::Okay]) else {
        panic!("it is ready")
    };
    [commands, prepared.announcement].map(|commands| commands.bytes)
}

#[test]
fn the_greeting_is_what_the_redis_crate_would_encode() {
    let (name, version) = ("distlock", env!("CARGO_PKG_VERSION"));
    let mut plain = redis::pipe();
    plain.cmd("HELLO").arg(3);
    let mut full = redis::pipe();
    full.cmd("HELLO").arg(3).arg("AUTH").arg("app").arg("pä ss");
    full.cmd("SELECT").arg(12);
    let mut password = redis::pipe();
    password.cmd("HELLO").arg(3).arg("AUTH").arg("default").arg("");
    for (url, mut expected) in [
        ("redis://host/", plain),
        ("redis://app:p%c3%a4%20ss@host/12", full),
        ("unix:///run/redis.sock?pass=", password),
    ] {
        expected.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg(name);
        expected.cmd("CLIENT").arg("SETINFO").arg("LIB-VER").arg(version);
        let greeting = hello(&url::parse(url).expect("a URL"));
        assert_eq!(greeting.bytes, expected.get_packed_pipeline(), "{url}");
        assert_eq!(greeting.count, expected.len(), "{url}");
    }
}

#[test]
fn the_longest_lease_in_the_data_counts_and_is_announced_to_a_script_cache_without_it() {
    let words = |commands: &[u8]| String::from_utf8_lossy(commands).replace("\r\n", " ");
    for max_lease in [Value::Double(90_000.0), Value::BulkString(b"90000".to_vec())] {
        let [opens, announces] = steps(false, "00000007", &[], max_lease);
        let (opens, announces) = (words(&opens), words(&announces));
        assert!(opens.contains("$5 90000 $4 2000 $1 1 "), "known to have had data: {opens}");
        assert!(announces.contains("$11 bound 90000 "), "{announces}");
        assert!(announces.contains("$4 ZADD $14 lock:max_lease $2 GT $5 90000 "), "{announces}");
    }
    let [opens, announces] = steps(false, "00000007", &[], Value::Nil);
    assert!(words(&opens).contains("$5 30000 $4 2000 $1 0 "), "a new server");
    assert!(words(&announces).contains("$11 bound 30000 "), "its own is announced");
}

#[test]
fn the_tokens_are_opened_unless_this_master_has_drawn_some() {
    let opens = |connected_before, mark, tokens: &[(&str, &str)]| {
        let commands = prepares(connected_before, mark, tokens);
        let script = Script::Open.sha(&Keyspace::new("lock:"));
        commands.windows(script.len()).any(|part| part == script.as_bytes())
    };
    for connected_before in [false, true] {
        assert!(opens(connected_before, "00000007", &[]), "nobody has drawn any");
        assert!(!opens(connected_before, "00000007", &[("m00000007", "1700000000000000")]));
        assert!(opens(connected_before, "00000008", &[("m00000007", "1700000000000000")]));
        let waits = [("w", "m00000007 p 1700000000000000 2000"), ("c", "1700000000000000")];
        assert!(opens(connected_before, "00000007", &waits), "this one may prolong it");
    }
}

#[test]
fn a_primary_that_was_left_is_refused_by_its_replication_id() {
    let endpoint = url::parse("redis://host/").expect("a URL");
    let space = Keyspace::new("lock:");
    let lease_store = Arc::new(LeaseStore::new(&space, 0));
    let params = ConnectParams { left: vec![7.into(), 8.into()], ..params(&space, true) };
    let (handshake, _) = Handshake::start(&endpoint, &space, &lease_store, None, &params);
    let accepts = |info: &str| handshake.check_not_left(Some(info)).is_ok();
    assert!(accepts("master_replid:00000009abc\r\n"));
    assert!(!accepts("run_id:00000009abc\r\nmaster_replid:00000007abc\r\n"));
    assert!(accepts("run_id:00000007abc\r\n"), "it stays the same when a server is promoted again");
    assert!(handshake.check_not_left(None).is_ok());
}

#[test]
fn what_is_left_of_a_wait_is_counted_by_the_clock_of_the_server() {
    let left = |noted: &str, now| waits(noted, "m1", now);
    assert_eq!(left("m1 l 5000000 3000", 6), Some((Duration::from_secs(2), true)));
    assert_eq!(left("m2 p 5000000 3000", 9), Some((Duration::ZERO, false)), "it is over");
    for odd in ["", "m1 l", "m1 l x 3000", "m1 l 5000000 -1"] {
        assert_eq!(left(odd, 6), None, "{odd}");
    }
    assert_eq!(left("m1 l 5000000 3000", -1), None);
}
