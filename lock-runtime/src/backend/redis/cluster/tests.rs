use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use testkit::{Cluster, ReservedPort, eventually};

use super::*;
use crate::backend::ConnectParams;
use crate::backend::redis::preflight::rules;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::url;
use crate::types::fence::Fence;
use crate::wire::keyspace::{DataLossGrace, Keyspace};

const LIMIT: Duration = Duration::from_secs(20);

fn discovery_of(url: &str, map: Option<AddressMap>) -> Discovery {
    let (mut seeds, server) = Seeds::parse(url).unwrap().unwrap();
    seeds.map = map;
    let endpoint = url::parse(&server).unwrap();
    let space = Keyspace::new("lock:".to_owned()).sharded();
    let like =
        RedisServer::new(endpoint, None, None, Certificates::default(), None, space).unwrap();
    Discovery::new(seeds, like)
}

fn discovery(addresses: &[&str]) -> Discovery {
    discovery_of(&format!("redis-cluster://{}", addresses.join(",")), None)
}

fn discover(discovery: &Discovery) -> Result<Topology, ConnectError> {
    discovery.discover(&[], time::now().plus(LIMIT), &Signal::new().unwrap())
}

/// One of each third.
const SLOTS: [u16; 3] = [0, Cluster::SLOTS / 2, Cluster::SLOTS - 1];

/// The nodes that own these slots.
fn owners(topology: &Topology) -> Vec<String> {
    let owners = SLOTS.map(|slot| topology.owners[usize::from(slot)].map(usize::from));
    owners.into_iter().flatten().map(|owner| topology.nodes[owner].to_string()).collect()
}

/// Waits until the nodes that are found are those of the cluster. A busy machine may see elections
/// that nobody has asked for.
#[track_caller]
fn assert_finds(all: &Cluster, discovery: &Discovery, known: &[NodeAddress]) -> Topology {
    let (addresses, stop) = (all.addresses(), Signal::new().unwrap());
    let mut found = None;
    eventually(LIMIT, "the owners of the slots are found", || {
        let topology = discovery.discover(known, time::now().plus(LIMIT), &stop);
        found = topology.ok().filter(|topology| {
            owners(topology) == SLOTS.map(|slot| &*addresses[all.owner_of(slot)])
                && topology.owners.iter().all(Option::is_some)
        });
        found.is_some()
    });
    found.unwrap()
}

fn text(discovery: &Discovery) -> String {
    discover(discovery).map(|topology| topology.nodes).unwrap_err().text
}

#[test]
fn a_url_names_nodes_and_a_server() {
    let url = "redis-cluster://app:p%40ss@a:7000,b,[::1]:7";
    let (seeds, server) = Seeds::parse(url).unwrap().unwrap();
    assert_eq!(seeds.to_string(), "a:7000,b:6379,[::1]:7");
    assert_eq!(server, "redis://app:p%40ss@a:7000/");
    for database in ["", "/", "/0"] {
        let url = format!("rediss-cluster://a{database}");
        assert_eq!(Seeds::parse(&url).unwrap().unwrap().1, "rediss://a:6379/");
    }
    assert!(Seeds::parse("redis://a").is_none());
}

#[test]
fn a_url_that_cannot_be_right_is_refused() {
    for rest in ["", "a,,b", "a:x", "a/1", "a/name", "a/0/1", "a/#insecure"] {
        assert!(Seeds::parse(&format!("redis-cluster://{rest}")).unwrap().is_err(), "{rest}");
    }
    assert!(Seeds::of(&[]).is_err());
    assert!(Seeds::of(&["redis://a:7000".to_owned()]).is_err());
}

#[test]
fn any_node_names_all_of_them() {
    let all = Cluster::start().unwrap();
    let addresses = all.addresses();
    for seed in &addresses {
        assert_finds(&all, &discovery(&[seed]), &[]);
    }
    // Of the others, one refuses, one never answers, and one has no address.
    let refuses = ReservedPort::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refuses = format!("127.0.0.1:{}", refuses.number());
    let silent = silent.local_addr().unwrap().to_string();
    let only_one_lives = [&*refuses, &silent, "unknown.invalid", &silent, &addresses[4]];
    let topology = assert_finds(&all, &discovery(&only_one_lives), &[]);
    // Known nodes are asked too, and seeds if those are gone.
    let gone = NodeAddress::parse(&refuses, PORT).unwrap();
    assert_finds(&all, &discovery(&[&refuses]), &topology.nodes);
    assert_finds(&all, &discovery(&[&addresses[1]]), &[gone]);
}

/// It sees that it reaches no majority, and says that the cluster fails.
#[test]
fn a_node_that_is_cut_off_is_not_believed() {
    let all = Cluster::start().unwrap();
    let addresses = all.addresses();
    // The nodes talk to each other without the proxies: stop all but one, with its replica.
    for node in [1, 2, 4, 5] {
        all.node(node).pause();
    }
    let seed = discovery(&[&addresses[0]]);
    eventually(LIMIT, "it says that the cluster is down", || {
        discover(&seed).is_err_and(|error| error.text.starts_with("CLUSTERDOWN"))
    });
    let error = discover(&seed).map(|topology| topology.nodes).unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Unreachable));
    let says = format!("{} says cluster_state:fail", addresses[0]);
    assert!(error.text.contains(&says), "{}", error.text);
    for node in [1, 2, 4, 5] {
        all.node(node).resume();
    }
    eventually(LIMIT, "the cluster works again", || discover(&seed).is_ok());
}

#[test]
fn the_nodes_after_a_failover_are_found() {
    let all = Cluster::start().unwrap();
    let addresses = all.addresses();
    let seeds = discovery(&[&addresses[1]]);
    let before = assert_finds(&all, &seeds, &[]);
    let old = all.owner_of(SLOTS[0]);
    let new = all.partner_of(old);
    all.node(old).kill();
    all.wait_for_primary(new);
    let after = assert_finds(&all, &seeds, &before.nodes);
    assert_eq!(owners(&after)[0], addresses[new]);
    assert!(after.epoch > before.epoch);
}

#[test]
fn a_server_without_a_cluster_is_named() {
    let server = testkit::RedisServer::start().unwrap();
    let at = format!("127.0.0.1:{}", server.port());
    let error = discover(&discovery(&[&at])).map(|topology| topology.nodes).unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Permanent));
    assert!(error.text.contains(&format!("{at} is a single server")), "{}", error.text);
    assert!(error.text.contains("write redis://"), "{}", error.text);
}

#[test]
fn nodes_that_refuse_the_user_are_named() {
    let server = testkit::RedisServer::builder().arg("cluster-enabled", "yes").start().unwrap();
    let at = format!("127.0.0.1:{}", server.port());
    let with = |user: &str| discovery_of(&format!("redis-cluster://{user}@{at}"), None);
    assert!(text(&with("app:wrong")).contains("WRONGPASS"));
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "+hello"]);
    let error = discover(&with("app:pw")).map(|topology| topology.nodes).unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Permanent));
    assert!(error.text.contains("lacks +cluster|slots +cluster|info;"), "{}", error.text);
    // It has not been joined with others.
    server.command(&["ACL", "SETUSER", "app", "+cluster|slots", "+cluster|info"]);
    let text = text(&with("app:pw"));
    assert!(text.starts_with("CLUSTERDOWN") && text.contains("cluster_state:fail"), "{text}");
}

/// The error of a connection to the node, if it is refused.
fn refusal(server: &RedisServer) -> Option<String> {
    let params = ConnectParams {
        inbox: server.space.inbox("process"),
        min_fence: Fence::ZERO,
        data_loss_grace: DataLossGrace { max_lease: Duration::from_secs(30), waits: true },
        failover_grace: Duration::ZERO,
        connected_before: false,
        left: Vec::new(),
        slot: None,
        confirms: false,
    };
    let connected = server.connect::<()>(&params, &Signal::new().unwrap());
    connected.err().map(|error| error.text)
}

#[test]
fn each_missing_right_on_a_node_is_named() {
    let all = Cluster::bare(1).unwrap();
    let grant = |rules: &[&str]| {
        let user = ["ACL", "SETUSER", "app", "reset", "resetchannels", "on", ">pw"];
        all.node(0).command(&[&user[..], rules].concat());
    };
    let address = &all.addresses()[0];
    let seeds = discovery_of(&format!("redis-cluster://app:pw@{address}"), None);
    let Server::Redis(node) = seeds.server_of(&NodeAddress::parse(address, PORT).unwrap()) else {
        panic!("it is Redis")
    };
    let rules = rules(&node.space);
    let rules: Vec<_> = rules.split(' ').collect();
    grant(&rules);
    assert_eq!(refusal(&node), None);
    discover(&seeds).map(drop).map_err(|error| error.text).unwrap();
    for missing in &rules {
        let others: Vec<_> = rules.iter().copied().filter(|rule| rule != missing).collect();
        grant(&others);
        let error = match *missing {
            // Another rule grants it, or locks do without.
            "+hello" | "+info" | "+client|setname" => continue,
            "+cluster|slots" | "+cluster|info" => text(&seeds),
            _ => refusal(&node).expect(missing),
        };
        assert!(error.contains(&format!("lacks {missing};")), "without {missing}: {error}");
    }
}

#[test]
fn addresses_of_nodes_are_mapped_and_those_of_seeds_are_not() {
    let all = Cluster::start().unwrap();
    let (inside, outside) = (all.addresses(), ["a", "b", "c", "d", "e", "f"]);
    let port = |address: &str| NodeAddress::parse(address, PORT).unwrap().port();
    let ports: Vec<_> = inside.iter().map(|address| port(address)).collect();
    let map: AddressMap = Arc::new(move |host, port| {
        assert_eq!(host, "127.0.0.1");
        let node = ports.iter().position(|known| *known == port)?;
        Some((outside[node].to_owned(), 1))
    });
    let seeds = discovery_of(&format!("redis-cluster://{}", inside[5]), Some(map));
    eventually(LIMIT, "the owners have their mapped addresses", || {
        let mapped = SLOTS.map(|slot| format!("{}:1", outside[all.owner_of(slot)]));
        owners(&discover(&seeds).unwrap()) == mapped
    });
    let asked = NodeAddress::new("127.0.0.1", 9).unwrap();
    let address = |text: &str| seeds.address(text, &asked).unwrap().to_string();
    assert_eq!(address(&inside[1]), "b:1");
    assert_eq!(address(&format!(":{}", port(&inside[2]))), "c:1");
    assert_eq!(address("127.0.0.1:1"), "127.0.0.1:1", "the map does not know it");
    assert_eq!(address("other:1"), "other:1", "the map panics");
    let Server::Redis(server) = seeds.server_of(&asked) else { panic!("it is Redis") };
    assert_eq!(server.endpoint.address.to_string(), "127.0.0.1:9");
}

/// A node that says it has all slots, at this epoch, once `may_answer` returns.
fn node(epoch: u64, may_answer: impl Fn() + Send + 'static) -> NodeAddress {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let info = format!("cluster_state:ok\r\ncluster_current_epoch:{epoch}\r\n");
            let table = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
            // HELLO, and the name and the version of the library.
            let answers = [
                "+OK\r\n+OK\r\n+OK\r\n".to_owned(),
                format!("{table}${}\r\n{info}\r\n", info.len()),
            ];
            for answer in answers {
                if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    may_answer();
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        }
    });
    NodeAddress::new("127.0.0.1", port).unwrap()
}

/// A node that was frozen during a failover has not heard of it.
#[test]
fn a_node_that_answers_first_does_not_decide_alone() {
    let (old, new) = (node(3, || ()), node(4, || std::thread::sleep(Duration::from_millis(5))));
    let seeds = discovery(&[&old.to_string(), &new.to_string()]);
    // A busy machine may be late with the second answer.
    eventually(LIMIT, "the higher epoch is believed", || {
        let topology = discover(&seeds).unwrap();
        topology.epoch == 4 && topology.nodes == [new.clone()]
    });
}

#[test]
fn a_discovery_ends_with_its_time_and_with_the_manager() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let seeds = discovery(&[&silent]);
    let stop = Signal::new().unwrap();
    let error = seeds.discover(&[], time::now(), &stop).map(|topology| topology.nodes).unwrap_err();
    assert!(error.text.contains(&format!("{silent} has not answered")), "{}", error.text);
    assert!(matches!(error.kind, ConnectErrorKind::Unreachable));
    stop.close();
    let until = time::now().plus(LIMIT);
    assert!(seeds.discover(&[], until, &stop).is_err());
    assert!(time::now() < until);
}

/// Nodes whose own addresses lead nowhere: the names by which clients are to find them do.
#[test]
fn nodes_are_found_by_the_kind_of_address_that_they_prefer() {
    let all = Cluster::start().unwrap();
    let set = |name: &str, value: &str| {
        (0..6).for_each(|node| drop(all.node(node).command(&["CONFIG", "SET", name, value])));
    };
    let seed = &all.addresses()[4];
    let hosts = |map: Option<AddressMap>| {
        let topology = discover(&discovery_of(&format!("redis-cluster://{seed}"), map)).unwrap();
        let mut hosts: Vec<_> = topology.nodes.iter().map(|node| node.host().to_owned()).collect();
        hosts.sort();
        hosts.dedup();
        hosts.join(" ")
    };
    // None has a name: they answer with `?`, and metadata that has the address.
    set("cluster-preferred-endpoint-type", "hostname");
    assert_eq!(hosts(None), "127.0.0.1");
    set("cluster-announce-hostname", "nodes.invalid");
    eventually(LIMIT, "all have heard of the name", || hosts(None) == "nodes.invalid");
    let map: AddressMap = Arc::new(|host, port| {
        assert_eq!(host, "nodes.invalid");
        Some(("localhost".to_owned(), port))
    });
    assert_eq!(hosts(Some(map)), "localhost");
    // The host that was asked is right.
    set("cluster-preferred-endpoint-type", "unknown-endpoint");
    assert_eq!(hosts(None), "127.0.0.1");
    let seed = seed.replace("127.0.0.1", "localhost");
    let topology = discover(&discovery(&[&seed])).unwrap();
    assert!(topology.nodes.iter().all(|node| node.host() == "localhost"), "{topology:?}");
}

/// The text of each reason why the nodes are not found.
pub(crate) fn errors() -> [(&'static str, ConnectError); 6] {
    let of = |problem: &dyn Fn(usize) -> Problem| {
        let node = |number| NodeAddress::new(&format!("node-{number}"), PORT).expect("it is one");
        why_there_is_none(&(1..=3).map(|number| (node(number), problem(number))).collect())
    };
    let silent = |number: usize| match number {
        3 => Problem::Silent("node-3:6379 has not answered".to_owned()),
        _ => Problem::Silent("Connection refused (os error 111)".to_owned()),
    };
    let one = |problem: fn() -> Problem| {
        of(&|number| if number == 1 { problem() } else { silent(number) })
    };
    let password = || {
        Problem::Refused(
            "node-1:6379: WRONGPASS invalid username-password pair or user is disabled".to_owned(),
        )
    };
    [
        ("cluster, down", one(|| Problem::Unusable(Unusable::Down("fail".to_owned())))),
        ("cluster, not joined", one(|| Problem::Unusable(Unusable::Empty))),
        ("cluster, not understood", one(|| Problem::Unusable(Unusable::NotUnderstood))),
        ("cluster, wrong password", one(password)),
        ("cluster, single servers", one(|| Problem::NoCluster)),
        ("cluster, unreachable", of(&silent)),
    ]
}
