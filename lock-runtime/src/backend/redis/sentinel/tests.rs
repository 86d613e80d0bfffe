use super::*;

#[test]
fn a_url_names_the_sentinels_the_primary_and_the_server() {
    let url = "redis-sentinel://app:p%40ss@s1:7000,s2,[::1]:7/locks/3";
    let (sentinels, server) = Sentinels::parse(url).unwrap().unwrap();
    assert_eq!(sentinels.name, "locks");
    assert_eq!(sentinels.addresses, ["s1:7000", "s2:26379", "[::1]:7"]);
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

#[test]
fn an_address_has_a_host_and_a_port() {
    assert_eq!(split("s1:7"), Some(("s1", 7)));
    assert_eq!(split("[::1]:7"), Some(("::1", 7)));
    assert_eq!(split("s1"), None);
}
