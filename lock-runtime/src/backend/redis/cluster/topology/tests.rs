use super::*;

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn asked() -> NodeAddress {
    NodeAddress::new("seed", 7000).unwrap()
}

fn node_at(endpoint: Value, port: i64, metadata: Value) -> Value {
    Value::Array(vec![endpoint, Value::Int(port), bulk("id"), metadata])
}

fn node(host: &str, port: i64) -> Value {
    node_at(bulk(host), port, Value::Array(Vec::new()))
}

fn range(first: i64, last: i64, nodes: impl IntoIterator<Item = Value>) -> Value {
    Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
}

fn info(state: &str, epoch: u64) -> String {
    format!("cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_current_epoch:{epoch}\r\n")
}

fn parse(ranges: Vec<Value>) -> Result<Topology, Unusable> {
    Topology::parse(&Value::Array(ranges), &info("ok", 3), &asked(), &|node| node)
}

fn nodes(topology: &Topology) -> Vec<String> {
    topology.nodes.iter().map(NodeAddress::to_string).collect()
}

fn owner(topology: &Topology, slot: usize) -> Option<String> {
    topology.owners[slot].map(|owner| topology.nodes[usize::from(owner)].to_string())
}

#[test]
fn each_slot_has_the_owner_that_is_named() {
    let topology = parse(vec![
        range(0, 99, [node("a", 1), node("ra", 2)]),
        range(100, 100, [node("b", 1)]),
        range(200, 16_383, [node("a", 1), node("ra", 2), node("ra", 3)]),
    ]);
    let topology = topology.unwrap();
    assert_eq!(topology.epoch, 3);
    assert_eq!(nodes(&topology), ["a:1", "b:1", "ra:2", "ra:3"], "masters first, each once");
    for (slot, expected) in [
        (0, Some("a:1")),
        (99, Some("a:1")),
        (100, Some("b:1")),
        (101, None),
        (16_383, Some("a:1")),
    ] {
        assert_eq!(owner(&topology, slot).as_deref(), expected, "slot {slot}");
    }
    assert_eq!(topology.owners.len(), Slot::COUNT);
}

#[test]
fn an_entry_that_repeats_slots_does_not_take_them() {
    let ranges = vec![range(0, 9, [node("a", 1)]), range(5, 19, [node("b", 1)])];
    let topology = parse(ranges).unwrap();
    assert_eq!(owner(&topology, 5).as_deref(), Some("a:1"));
    assert_eq!(owner(&topology, 10).as_deref(), Some("b:1"));
}

#[test]
fn a_node_without_an_endpoint_is_at_the_host_that_was_asked() {
    let map = |entries: &[(&str, &str)]| {
        let entries = entries.iter().map(|(key, value)| (bulk(key), bulk(value)));
        Value::Map(entries.collect())
    };
    let list = |words: &[&str]| Value::Array(words.iter().map(|word| bulk(word)).collect());
    let nothing = || list(&[]);
    let cases = [
        (bulk("a"), nothing(), "a:1"),
        (Value::SimpleString("A.example".to_owned()), nothing(), "a.example:1"),
        (bulk("::1"), nothing(), "[::1]:1"),
        (Value::Nil, nothing(), "seed:1"),
        // The operator has said that the addresses are of no use.
        (Value::Nil, list(&["ip", "10.0.0.1", "hostname", "a"]), "seed:1"),
        (bulk(""), nothing(), "seed:1"),
        (bulk("?"), nothing(), "seed:1"),
        (bulk("?"), list(&["ip", "10.0.0.1"]), "10.0.0.1:1"),
        (bulk("?"), map(&[("ip", "10.0.0.1")]), "10.0.0.1:1"),
        (bulk("?"), map(&[("ip", "10.0.0.1"), ("hostname", "a")]), "a:1"),
        (bulk("?"), map(&[("ip", ""), ("hostname", "?")]), "seed:1"),
    ];
    for (endpoint, metadata, expected) in cases {
        let named = format!("{endpoint:?} {metadata:?}");
        let topology = parse(vec![range(0, 9, [node_at(endpoint, 1, metadata)])]).unwrap();
        assert_eq!(nodes(&topology), [expected], "{named}");
    }
}

/// Redis 6.2 sends no metadata.
#[test]
fn a_node_without_metadata_is_understood() {
    let node = Value::Array(vec![bulk("?"), Value::Int(1)]);
    assert_eq!(nodes(&parse(vec![range(0, 9, [node])]).unwrap()), ["seed:1"]);
}

#[test]
fn slots_of_a_node_without_a_port_have_no_owner() {
    let ranges = vec![range(0, 9, [node("a", 0), node("ra", 1)]), range(10, 19, [node("b", 1)])];
    let topology = parse(ranges).unwrap();
    assert_eq!((owner(&topology, 0), owner(&topology, 10).as_deref()), (None, Some("b:1")));
    assert_eq!(parse(vec![range(0, 9, [node("a", 70_000)])]), Err(Unusable::Empty));
}

#[test]
fn each_named_address_is_translated() {
    let ranges = Value::Array(vec![range(0, 9, [node("a", 1), node("ra", 2)])]);
    let outside = |node: NodeAddress| NodeAddress::new("outside", node.port() + 100).unwrap();
    let topology = Topology::parse(&ranges, &info("ok", 3), &asked(), &outside).unwrap();
    assert_eq!(nodes(&topology), ["outside:101", "outside:102"]);
}

#[test]
fn a_node_that_sees_the_cluster_fail_is_not_believed() {
    let ranges = Value::Array(vec![range(0, 16_383, [node("a", 1)])]);
    let of = |info: &str| Topology::parse(&ranges, info, &asked(), &|node| node);
    assert_eq!(of(&info("fail", 9)), Err(Unusable::Down("fail".to_owned())));
    assert_eq!(of(""), Err(Unusable::NotUnderstood));
    assert_eq!(of("cluster_state:ok\r\n"), Err(Unusable::NotUnderstood));
    assert!(of(&info("ok", 9)).is_ok());
}

#[test]
fn an_answer_without_slots_is_not_used() {
    assert_eq!(parse(Vec::new()), Err(Unusable::Empty));
}

#[test]
fn a_malformed_answer_is_not_understood() {
    let malformed = [
        Value::Nil,
        Value::Int(1),
        range(0, 9, []),
        range(-1, 9, [node("a", 1)]),
        range(9, 0, [node("a", 1)]),
        range(0, 16_384, [node("a", 1)]),
        Value::Array(vec![bulk("0"), bulk("9"), node("a", 1)]),
    ];
    for range in malformed {
        let text = format!("{range:?}");
        assert_eq!(parse(vec![range]), Err(Unusable::NotUnderstood), "{text}");
    }
    let table = Topology::parse(&Value::Nil, &info("ok", 3), &asked(), &|node| node);
    assert_eq!(table, Err(Unusable::NotUnderstood));
    // One that names no node is as one that has none.
    let nobody = [Value::Nil, Value::Array(Vec::new()), Value::Array(vec![bulk("a"), bulk("1")])];
    for node in nobody {
        assert_eq!(parse(vec![range(0, 9, [node])]), Err(Unusable::Empty));
    }
}

#[test]
fn the_answer_with_the_highest_epoch_is_believed() {
    let topology = |epoch, last| {
        let ranges = Value::Array(vec![range(0, last, [node("a", 1)])]);
        Topology::parse(&ranges, &info("ok", epoch), &asked(), &|node| node).unwrap()
    };
    let (old, new, part) = (topology(3, 16_383), topology(4, 16_383), topology(4, 99));
    for all in [[&old, &new, &part], [&part, &old, &new], [&new, &part, &old]] {
        assert_eq!(Topology::newest(all.into_iter().cloned()), Some(new.clone()));
    }
    assert_eq!(Topology::newest([old.clone(), part.clone()]), Some(part));
    assert_eq!(Topology::newest([]), None);
}

#[test]
fn of_two_answers_that_of_the_node_which_took_over_last_is_believed() {
    let topology = |own_epoch, owner| {
        let ranges = Value::Array(vec![range(0, 16_383, [node(owner, 1)])]);
        let info = format!("{}cluster_my_epoch:{own_epoch}\r\n", info("ok", 4));
        Topology::parse(&ranges, &info, &asked(), &|node| node).unwrap()
    };
    let (voter, promoted) = (topology(2, "old"), topology(4, "new"));
    for all in [[&voter, &promoted], [&promoted, &voter]] {
        assert_eq!(Topology::newest(all.into_iter().cloned()), Some(promoted.clone()));
    }
}

#[test]
fn a_redirection_without_a_host_leads_to_the_host_that_was_asked() {
    let cases = [
        ("127.0.0.1:7001", Some("127.0.0.1:7001")),
        ("::1:7001", Some("[::1]:7001")),
        ("a.example:7001", Some("a.example:7001")),
        (":7001", Some("seed:7001")),
        ("?:7001", Some("seed:7001")),
        ("7001", None),
        ("a:0", None),
        ("a:", None),
    ];
    for (text, expected) in cases {
        let address = redirected(text, &asked()).map(|address| address.to_string());
        assert_eq!(address.as_deref(), expected, "{text}");
    }
}
