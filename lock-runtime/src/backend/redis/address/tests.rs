use super::*;

fn address(text: &str) -> Option<String> {
    NodeAddress::parse(text, 7).map(|address| address.to_string())
}

#[test]
fn an_address_has_a_host_and_a_port() {
    let reads = [
        ("s1:8", "s1:8"),
        ("s1", "s1:7"),
        ("S1.Example:8", "s1.example:8"),
        ("[::1]:8", "[::1]:8"),
        ("[::1]", "[::1]:7"),
        // As redirections write it.
        ("::1:8", "[::1]:8"),
    ];
    for (text, read) in reads {
        assert_eq!(address(text).as_deref(), Some(read), "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in ["", ":8", "s1:", "s1:x", "s1:0", "s1:65536", "/run/redis.sock", "s 1", "a@b:8"] {
        assert_eq!(address(text), None, "{text}");
    }
    assert_eq!(parse_all([], 7), Err("there is none".to_owned()));
    assert_eq!(parse_all(["s1", "s1:x"], 7), Err("s1:x is no address".to_owned()));
}

#[test]
fn a_connection_has_the_tls_settings_of_another_one() {
    let address = NodeAddress::parse("s1:8", 7).unwrap();
    let plain = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
    assert_eq!(address.to_connect(&plain("s2", 9)), plain("s1", 8));
    let tls = |host: &str, port| Address::Tls { host: host.to_owned(), port, insecure: false };
    assert_eq!(address.to_connect(&tls("s2", 9)), tls("s1", 8));
}

#[test]
fn a_url_lists_addresses() {
    let parse = |url| AddressListUrl::parse(url, "many", 7);
    let url = parse("rediss-many://app:p%40@ss@s1,[::1]:8/path/0?x=y").unwrap().unwrap();
    assert_eq!(joined(&url.addresses), "s1:7,[::1]:8");
    assert_eq!(url.path, "path/0");
    assert_eq!(url.server("0").as_deref(), Some("rediss://app:p%40@ss@s1:7/0?x=y"));
    let url = parse("redis-many://s1").unwrap().unwrap();
    assert_eq!((url.path, url.server("").as_deref()), ("", Some("redis://s1:7/")));
    for other in ["redis://s1", "redis-few://s1", "redis-many:s1", "http-many://s1", "s1"] {
        assert!(parse(other).is_none(), "{other}");
    }
}
