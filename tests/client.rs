//! A manager that is made from a client of the `redis` crate.

mod support;

use distlock::redis::{Client, IntoConnectionInfo as _};
use distlock::{LockError, LockManager, ServerKind};
use testkit::RedisServer;

use crate::support::server;

fn manager(client: Client) -> Result<LockManager, LockError> {
    LockManager::builder().client(client).build()
}

fn set_password(server: &RedisServer, password: &str) {
    let password = format!(">{password}");
    server.command(&["ACL", "SETUSER", "app", "on", &password, "~*", "&*", "+@all"]);
}

#[test]
fn address_user_password_and_database_of_a_client_are_used() {
    let server = server();
    set_password(&server, "a-secret");
    let url = server.url().replace("redis://", "redis://app:a-secret@");
    let url = format!("{}/3", url.trim_end_matches('/'));
    let locks = manager(Client::open(url).unwrap()).unwrap();
    let guard = locks.mutex("order:7").acquire_blocking().unwrap();
    assert_eq!(locks.status().server, ServerKind::Single);
    let key = |database: &str| {
        let read = "redis.call('SELECT', ARGV[1]) return redis.call('EXISTS', 'lock:{order:7}')";
        server.command(&["EVAL", read, "0", database])
    };
    assert_eq!([key("0"), key("3")], [0, 1].map(redis::Value::Int));
    drop(guard);
}

#[test]
fn the_database_of_the_builder_is_that_of_the_locks() {
    let server = server();
    let client = Client::open(server.url()).unwrap();
    let locks = LockManager::builder().client(client).database(2).build().unwrap();
    let _guard = locks.mutex("order:7").acquire_blocking().unwrap();
    let keyspace: String = redis::from_redis_value(server.command(&["INFO", "keyspace"])).unwrap();
    assert!(keyspace.contains("db2:") && !keyspace.contains("db0:"), "{keyspace}");
}

#[test]
fn a_wrong_password_of_a_client_is_refused() {
    let server = server();
    set_password(&server, "a-secret");
    let settings = distlock::redis::RedisConnectionInfo::default();
    let settings = settings.set_username("app").set_password("another");
    let info = Client::open(server.url()).unwrap().get_connection_info().clone();
    let info = info.set_redis_settings(settings).into_connection_info().unwrap();
    let locks = manager(Client::open(info).unwrap()).unwrap();
    let error = locks.mutex("order:7").acquire_blocking().map(drop).unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("WRONGPASS") && !error.to_string().contains("another"));
}

#[cfg(not(feature = "tls-rustls"))]
#[test]
fn a_client_with_tls_needs_the_feature() {
    let address = distlock::redis::ConnectionAddr::TcpTls {
        host: "host".to_owned(),
        port: 6379,
        insecure: false,
        tls_params: None,
    };
    let client = Client::open(address.into_connection_info().unwrap()).unwrap();
    let error = manager(client).map(drop).unwrap_err();
    assert!(error.to_string().contains("features = [\"tls-rustls\"]"), "{error}");
}
