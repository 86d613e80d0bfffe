use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::backend::redis::url;
use crate::backend::redis::value::ServerError;

#[test]
fn a_url_names_the_sentinels_the_primary_and_the_server() {
    let url = "redis-sentinel://app:p%40ss@s1:7000,s2,[::1]:7/locks/3";
    let (sentinels, server) = Sentinels::parse(url).unwrap().unwrap();
    assert_eq!(sentinels.name, "locks");
    assert_eq!(joined(&sentinels.addresses), "s1:7000,s2:26379,[::1]:7");
    assert_eq!(server, "redis://app:p%40ss@s1:7000/3");
    assert_eq!(sentinels.to_string(), "locks of s1:7000,s2:26379,[::1]:7");
    let (_, server) = Sentinels::parse("rediss-sentinel://s1/locks").unwrap().unwrap();
    assert_eq!(server, "rediss://s1:26379/");
    assert!(Sentinels::parse("redis://s1/locks").is_none());
}

#[test]
fn a_url_that_lacks_something_is_refused() {
    for url in ["//s1", "//s1/", "///locks", "//s1,,s2/locks", "//s1:x/locks", "//s1/locks/0/1"] {
        assert!(Sentinels::parse(&format!("redis-sentinel:{url}")).unwrap().is_err(), "{url}");
    }
    assert!(Sentinels::of("locks", &[]).is_err());
    assert!(Sentinels::of("", &["s1".to_owned()]).is_err());
}

fn node(address: &str) -> NodeAddress {
    NodeAddress::parse(address, PORT).expect("it is one")
}

/// One of three Sentinels names this port of this machine.
fn names(watch: &SentinelWatch, sentinel: &str, port: u16, epoch: u64) {
    let said =
        [("ip", "127.0.0.1"), ("port", &port.to_string()), ("config-epoch", &epoch.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let said = BTreeMap::from(said);
    let reported = watch.shared.reported(&node(sentinel), sentinel, time::now(), &said, &[]);
    assert!(reported.is_ok());
}

#[test]
fn the_connection_to_a_primary_ends_when_another_one_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = url::parse(&format!("redis://127.0.0.1:{port}/")).unwrap();
    let addresses = ["s1", "s2", "s3"].map(node).to_vec();
    let sentinels = Sentinels { name: "locks".to_owned(), addresses, credentials: None };
    let watch = SentinelWatch::new(sentinels, &endpoint, &Arc::default());
    names(&watch, "s1:26379", port, 1);
    names(&watch, "s2:26379", port, 1);
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let stream = Arc::new(Stream::Tcp(stream));
    assert!(watch.admit(&stream, &endpoint.address).is_ok());
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    names(&watch, "s1:26379", port + 1, 2);
    let mut byte = [0];
    (&*stream).write_all(&byte).unwrap();
    assert_eq!(server.read(&mut byte).unwrap(), 1, "one of three decides nothing");
    names(&watch, "s2:26379", port + 1, 2);
    assert_eq!(server.read(&mut byte).unwrap(), 0, "it is shut down");
    let late = watch.admit(&stream, &endpoint.address);
    assert!(late.is_err(), "one that was under way is not used");
}

/// What three Sentinels lead to, by what became of asking them.
fn text(standing: impl Fn(usize) -> Standing) -> ConnectError {
    let mut findings = Findings {
        election: Election::new(3),
        tried: None,
        sentinels: BTreeMap::new(),
        streams: Vec::new(),
        started: true,
    };
    for number in 0..3 {
        let address = node(&format!("sentinel-{}", number + 1));
        findings.add(address.clone(), true);
        let standing = standing(number);
        if let Standing::Answered = standing {
            let primary = Named { address: node("10.0.0.1:6379"), epoch: 0 };
            let report = Report { primary, others: Vec::new(), at: time::now() };
            findings.election.reported(time::now(), number.to_string(), report);
        }
        findings.sentinels.get_mut(&address).expect("it was added").standing = standing;
    }
    findings.why_there_is_none("mymaster")
}

/// The error of an answer.
fn answered(line: &str) -> Standing {
    let address = Address::Tcp { host: "sentinel-1".to_owned(), port: 26379 };
    of_error(&address, WireError::Server(ServerError::new(line)).into())
}

/// The text of each reason why there is no primary.
pub(crate) fn errors() -> [(&'static str, ConnectError); 6] {
    let refused = |_| silent("Connection refused (os error 111)");
    let one_of_three = |number| if number == 0 { Standing::Answered } else { refused(number) };
    let not_a_sentinel = "ERR unknown command 'SENTINEL', with args beginning with: 'MYID'";
    let wrong_password = "WRONGPASS invalid username-password pair or user is disabled.";
    [
        ("Sentinels, no majority", text(one_of_three)),
        ("Sentinels, unknown name", text(|_| answered("ERR No such master with that name"))),
        ("Sentinels, servers instead", text(|_| answered(not_a_sentinel))),
        ("Sentinels, wrong password", text(|_| answered(wrong_password))),
        ("Sentinels, unreachable", text(refused)),
        ("Sentinels, slow", text(|_| Standing::Pending)),
    ]
}

#[test]
fn a_pause_ends_when_another_primary_is_named() {
    let (sentinels, url) = Sentinels::of("locks", &["s1".to_owned()]).unwrap();
    let watch = SentinelWatch::new(sentinels, &url::parse(&url).unwrap(), &Arc::default());
    // Nobody is asked; the test answers.
    watch.shared.lock().started = true;
    let name = |port: &str| {
        let primary = [("ip", "127.0.0.1"), ("port", port), ("config-epoch", port)];
        let primary = primary.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert!(watch.shared.reported(&node("s1"), "id", time::now(), &primary, &[]).is_ok());
    };
    let (stop, later) = (Signal::new().unwrap(), |ms| time::now().plus(Duration::from_millis(ms)));
    name("1");
    watch.primary(later(60_000), &stop).unwrap();
    let until = later(20);
    watch.pause(until, &stop);
    assert!(time::now() >= until);
    name("2");
    let until = later(60_000);
    watch.pause(until, &stop);
    assert!(time::now() < until);
}
