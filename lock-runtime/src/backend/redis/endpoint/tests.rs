use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::*;

fn endpoint(client: &Client) -> Endpoint {
    Endpoint::of_client(client.get_connection_info()).expect("it can be used")
}

#[test]
fn a_client_has_the_address_and_the_credentials_of_its_url() {
    let urls = ["redis://app:secret@host:7/3", "redis://[::1]", "unix:///run/redis.sock?pass=p"];
    for url in urls {
        let of_client = endpoint(&Client::open(url).expect("a URL"));
        let parsed = crate::backend::redis::url::parse(url).expect("a URL");
        assert_eq!(format!("{of_client:?}"), format!("{parsed:?}"), "{url}");
    }
}

#[test]
fn a_client_keeps_its_tls_its_tcp_settings_and_its_name() {
    let tls = |insecure| {
        let (host, port) = ("host".to_owned(), 7);
        let addr = ConnectionAddr::TcpTls { host, port, insecure, tls_params: None };
        addr.into_connection_info().expect("an address")
    };
    for insecure in [false, true] {
        let client = Client::open(tls(insecure)).expect("it is not connected yet");
        let expected = Address::Tls { host: "host".to_owned(), port: 7, insecure };
        assert_eq!(endpoint(&client).address, expected);
    }
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(99));
    let tcp = TcpSettings::default().set_keepalive(keepalive.clone());
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(Duration::from_secs(7));
    let settings = RedisConnectionInfo::default().set_lib_name("shop", "2.1");
    let info = tls(false).set_tcp_settings(tcp).set_redis_settings(settings);
    let own = endpoint(&Client::open(info.clone()).expect("an address"));
    assert_eq!(format!("{:?}", own.keepalive), format!("{keepalive:?}"));
    #[cfg(target_os = "linux")]
    assert_eq!(own.user_timeout, Some(Duration::from_secs(7)));
    assert_eq!(own.lib_info, Some(["shop".into(), "2.1".into()]));
    let silent = info.set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name());
    assert_eq!(endpoint(&Client::open(silent).expect("an address")).lib_info, None);
}
