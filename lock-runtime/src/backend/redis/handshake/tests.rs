use redis::Client;

use super::*;
use crate::wire::keyspace::DataLossGrace;

/// The commands of the last round trip, for a server with this mark and these tokens.
fn prepares(connected_before: bool, mark: &str, tokens: &[(&str, &str)]) -> Vec<u8> {
    let client = Client::open("redis://host/").expect("a URL");
    let space = Keyspace::new("lock:");
    let ladder = Arc::new(Ladder::new(&space, 0));
    let params = ConnectParams {
        inbox: space.inbox("process"),
        min_fence: Fence::ZERO,
        data_loss_grace: DataLossGrace { max_lease: Duration::from_secs(30), waits: true },
        failover_grace: Duration::from_secs(2),
        connected_before,
        confirms: false,
    };
    let address = client.get_connection_info();
    let (mut handshake, _) = Handshake::start(address, &space, &ladder, None, &params);
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
    ]);
    match looked {
        Ok(NextStep::Send(commands)) => commands.get_packed_pipeline(),
        _ => panic!("it goes on"),
    }
}

#[test]
fn the_tokens_are_opened_unless_this_master_has_drawn_some() {
    let opens = |connected_before, mark, tokens: &[(&str, &str)]| {
        let commands = prepares(connected_before, mark, tokens);
        let script = Script::Open.sha().as_bytes();
        commands.windows(script.len()).any(|part| part == script)
    };
    for connected_before in [false, true] {
        assert!(opens(connected_before, "00000007", &[]), "nobody has drawn any");
        assert!(!opens(connected_before, "00000007", &[("m00000007", "1700000000000000")]));
        assert!(opens(connected_before, "00000008", &[("m00000007", "1700000000000000")]));
        let waits = [("w", "m00000007 p 1700000000000000 2000"), ("c", "1700000000000000")];
        assert!(opens(connected_before, "00000007", &waits), "this one may prolong it");
    }
}
