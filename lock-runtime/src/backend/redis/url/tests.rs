//! The parser against that of the `redis` crate.

use proptest::prelude::*;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use super::*;
use crate::wire::tests::config;

const CASES: u32 = 4000;

type Read = Result<(Address, [Option<String>; 2], i64), String>;

fn own(url: &str) -> Read {
    let endpoint = parse(url)?;
    Ok((endpoint.address, [endpoint.user, endpoint.password], endpoint.database))
}

/// What the other crate reads, or what it says is wrong, without the kind of its error and with
/// what it quotes made printable. `None` for TLS, which needs a feature.
fn other(url: &str) -> Option<Read> {
    let info = url.into_connection_info();
    let read = |info: ConnectionInfo| {
        let address = match info.addr().clone() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host, port },
            ConnectionAddr::TcpTls { host, port, insecure, .. } => {
                Address::Tls { host, port, insecure }
            }
            ConnectionAddr::Unix(path) => Address::Unix(path),
            _ => panic!("an address of an unknown kind"),
        };
        let settings = info.redis_settings();
        let credentials = [settings.username(), settings.password()];
        (address, credentials.map(|text| text.map(str::to_owned)), settings.db())
    };
    match info {
        Err(error) if error.to_string().contains("the feature is not enabled") => None,
        info => Some(info.map(read).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" - InvalidClientConfig").next().unwrap_or_default();
            let detail = error.detail().map(|detail| format!(": {}", printable(detail)));
            format!("{what}{}", detail.unwrap_or_default())
        })),
    }
}

#[track_caller]
fn assert_same(url: &str) {
    if let Some(expected) = other(url) {
        assert_eq!(own(url), expected, "{url:?}");
    }
}

const URLS: [&str; 119] = [
    "redis://host",
    "redis://host:7/",
    "redis://host:/3",
    "redis://host:0",
    "redis://host:65535",
    "redis://host:65536",
    "redis://host:+1",
    "redis://host:x",
    "redis://Host.Example/",
    "redis://höst/",
    "redis://ho st/",
    "redis://h%20st/",
    "redis://host|",
    "redis://127.0.0.1/",
    "redis://0.0.0.0/",
    "redis://[::]/",
    "redis://[::1]",
    "redis://[::1]:7/2",
    "redis://[0:0::1]:7/2",
    "redis://[::ffff:1.2.3.4]/",
    "redis://[1:2:3:4:5:6:7::]/",
    "redis://[::1",
    "redis://[::1]x:7",
    "redis://[::1%eth0]:7",
    "redis://[]",
    "redis://::1:7",
    "redis://user@host",
    "redis://user:@host",
    "redis://:password@host",
    "redis://:@host",
    "redis://@host",
    "redis://@",
    "redis://@/",
    "redis://@?x",
    "redis://user@",
    "redis://:@",
    "redis://user:p:w@host",
    "redis://user:p@w@host",
    "redis://us%40er:p%2Fw%3a@host",
    "redis://user:100%@host",
    "redis://user:%ff@host",
    "redis://%ff:x@host",
    "redis://üser:pässword@host",
    "redis://user:pa/ss@host",
    "redis://user:pa#ss@host",
    "redis://user:pa ss\u{1}@host",
    "redis://host/0",
    "redis://host/15",
    "redis://host/+3",
    "redis://host/-1",
    "redis://host//3//",
    "redis://host/3/4",
    "redis://host/x",
    "redis://host/%33",
    "redis://host/./3",
    "redis://host/1/../3",
    "redis://host/1/%2E%2e/3",
    "redis://host/..",
    "redis://host/99999999999999999999",
    "redis://host?protocol=resp3",
    "redis://host/?protocol=3",
    "redis://host/?protocol=2",
    "redis://host/?protocol=resp2",
    "redis://host/?protocol=4",
    "redis://host/?protocol",
    "redis://host/?protocol=4&protocol=3",
    "redis://host/?protocol=3&protocol=4",
    "redis://host/?pro%74ocol=resp%33&&x=y",
    "redis://host/1?db=2",
    "redis://host/1#insecure",
    "redis://host#insecure/1",
    "redis://",
    "redis:///",
    "redis:///3",
    "redis://:7",
    "redis:host",
    "redis:/host",
    "redis:",
    "redis",
    "",
    "host",
    "host:7",
    "//host",
    "http://host",
    "redis+tls://host",
    "1redis://host",
    " redis://host\n",
    "re\ndis://ho\tst/\r3",
    "REDIS://host",
    "valkey://host/3",
    "redis-cluster://host",
    "rediss://host",
    "unix:///run/redis.sock",
    "unix:/run/redis.sock",
    "unix://localhost/run/redis.sock",
    "unix://host/run/redis.sock",
    "unix://run",
    "unix:run/redis.sock",
    "unix:",
    "unix://",
    "unix:///",
    "unix:///C:",
    "unix:///run//redis.sock",
    "unix:///run/./a/../redis.sock",
    "unix:///run/redis%20a.sock",
    "unix:///run/%ff.sock",
    "unix:///run/rédis.sock",
    "unix:///run/redis.sock?db=3",
    "unix:///run/redis.sock?db=x",
    "unix:///run/redis.sock?db=",
    "unix:///run/redis.sock?user=us+er&pass=p%40w+d",
    "unix:///run/redis.sock?pass=%ff",
    "unix:///run/redis.sock?user=&pass=",
    "unix:///run/redis.sock?pass=a=b",
    "unix:///run/redis.sock?protocol=resp4",
    "unix://user:password@localhost/run/redis.sock",
    "unix://user@/run/redis.sock",
    "redis+unix:///run/redis.sock",
    "valkey+unix:///run/redis.sock",
];

#[test]
fn urls_are_read_as_the_redis_crate_reads_them() {
    for url in URLS {
        assert_same(url);
    }
}

#[test]
fn a_url_for_tls_differs_in_its_scheme_and_its_fragment() {
    let at = |insecure| Ok(Address::Tls { host: "host".to_owned(), port: 7, insecure });
    let address = |url| parse(url).map(|endpoint| endpoint.address);
    assert_eq!(address("rediss://host:7/"), at(false));
    assert_eq!(address("valkeys://host:7"), at(false));
    assert_eq!(address("rediss://host:7/#insecure"), at(true));
    for other in ["rediss://host:7/#", "rediss://host:7/#secure"] {
        assert_eq!(address(other), Err("only #insecure is supported as URL fragment".to_owned()));
    }
}

#[test]
fn an_error_shows_no_part_that_may_be_a_password() {
    for url in ["redis://u:secret@h:x", "redis://u:secret", "redis://u:s%ffecret@h", "u:secret@h"] {
        let error = parse(url).expect_err(url);
        assert!(!error.contains("secret"), "{error}");
    }
}

/// Pieces of URLs in any order.
fn any_url() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(
        &["redis", "Valkey", "unix", "redis+unix", "valkey+unix", "http", ""][..],
    );
    let start = prop::sample::select(&["://", ":///", ":", ":/"][..]);
    let piece = prop_oneof![
        6 => prop::sample::select(
            &[
                ":", "/", "@", "?", "#", "[", "]", "&", "=", "+", "%", "%41", "%2e", "%ff", "..",
                ".", "host", "localhost", "0.0.0.0", "[::1]", "[::]", "user", "db=1", "pass=a",
                "user=b", "protocol=resp3", "protocol=9", "insecure", "3", "6379", "70000",
            ][..],
        ).prop_map(str::to_owned),
        // A backslash in place of a port is a separator for the other one, and none here.
        1 => "[^\\\\]{0,2}",
    ];
    (scheme, start, prop::collection::vec(piece, 0..9))
        .prop_map(|(scheme, start, pieces)| format!("{scheme}{start}{}", pieces.concat()))
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn any_url_is_read_as_the_redis_crate_reads_it(url in any_url()) {
        assert_same(&url);
    }
}
