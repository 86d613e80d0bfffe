//! A real server behind TLS, with certificates of every kind. The crate depends on distlock alone.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

#[cfg(feature = "redis")]
use distlock::redis::{Client, TlsCertificates};
use distlock::{LockError, LockManager, LockManagerBuilder, distributed_lock};
use rcgen::CertificateParams;
use testkit::{Authority, Cluster, RedisServer, ReservedPort};

const WAIT: Duration = Duration::from_secs(2);
/// Far more than any answer takes, and far less than for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// A server with such a certificate, and its port for TLS.
fn server(
    authority: &Authority,
    params: &CertificateParams,
    clients: &str,
) -> (RedisServer, ReservedPort) {
    authority.start(RedisServer::builder(), params, clients)
}

fn secure(port: u16) -> LockManagerBuilder {
    LockManager::builder().url(format!("rediss://127.0.0.1:{port}/"))
}

/// The error of a call, which fails within its `wait`.
#[track_caller]
fn failure(builder: LockManagerBuilder) -> LockError {
    let locks = builder.build().unwrap();
    let start = Instant::now();
    let error = locks.mutex("key").wait(WAIT).acquire_blocking().unwrap_err();
    assert!(start.elapsed() < WAIT + LIMIT, "{error} after {:?}", start.elapsed());
    error
}

#[track_caller]
fn assert_refused(error: &LockError, what: &str, next: &str) {
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(what) && text.contains(next), "{text}");
    assert!(!text.contains("check that the Redis server runs"), "{text}");
}

#[distributed_lock("annotated", manager = locks)]
fn annotated(locks: &LockManager) -> Result<u32, LockError> {
    Ok(7)
}

#[track_caller]
fn assert_locks(builder: impl Fn() -> LockManagerBuilder) {
    let (one, other) = (builder().build().unwrap(), builder().build().unwrap());
    assert_eq!(annotated(&one).unwrap(), 7);
    let held = one.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| other.mutex("key").wait(LIMIT).acquire_blocking().map(drop));
        let waits = || one.inspect_blocking("key").unwrap().waiters.len() == 1;
        testkit::eventually(LIMIT, "the other one waits", waits);
        held.release_blocking().unwrap();
        next.join().unwrap().unwrap();
    });
}

#[test]
fn a_url_is_all_that_a_server_known_to_the_system_needs() {
    const URL: &str = "TLS_TEST_URL";
    if let Ok(url) = std::env::var(URL) {
        return assert_locks(|| LockManager::builder().url(&url));
    }
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "no");
    let test = "a_url_is_all_that_a_server_known_to_the_system_needs";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env(URL, format!("rediss://127.0.0.1:{}/", tls.number()));
    // Where the system keeps its certificates, as OpenSSL finds them too.
    child.env("SSL_CERT_FILE", authority.file("system.pem", &authority.pem()));
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_private_authority_is_trusted_where_it_is_set() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "no");
    assert_locks(|| secure(tls.number()).ca_certificate(authority.pem()));
    let name = format!("rediss://localhost:{}/3", tls.number());
    assert_locks(|| LockManager::builder().url(&name).ca_certificate(authority.pem()));
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "yes");
    let own = authority.issue(&Authority::names(&["client.example"]));
    let with_ca = || secure(tls.number()).ca_certificate(authority.pem());
    assert_locks(|| with_ca().client_certificate(own.certificate.clone(), own.key.clone()));
    let next = "client_certificate";
    assert_refused(&failure(with_ca()), "asks for a certificate of the client", next);
    let foreign = Authority::new().issue(&Authority::names(&["client.example"]));
    let builder = with_ca().client_certificate(foreign.certificate, foreign.key);
    assert_refused(&failure(builder), "does not accept the client's certificate", next);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "no");
    let error = failure(secure(tls.number()));
    assert_refused(
        &error,
        "certificate comes from an authority that is not trusted",
        "ca_certificate",
    );
    let error = failure(secure(tls.number()).ca_certificate(Authority::new().pem()));
    assert_refused(
        &error,
        "certificate comes from an authority that is not trusted",
        "ca_certificate",
    );
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::names(&["redis.example"]), "no");
    let error = failure(secure(tls.number()).ca_certificate(authority.pem()));
    assert_refused(&error, "certificate is for another name", "host name of the certificate");
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let mut expired = Authority::here();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let (_server, tls) = server(&authority, &expired, "no");
    let error = failure(secure(tls.number()).ca_certificate(authority.pem()));
    assert_refused(&error, "certificate has expired", "renew");
    let mut early = Authority::here();
    early.not_before = rcgen::date_time_ymd(2990, 1, 1);
    early.not_after = rcgen::date_time_ymd(2999, 1, 1);
    let (_server, tls) = server(&authority, &early, "no");
    let error = failure(secure(tls.number()).ca_certificate(authority.pem()));
    assert_refused(&error, "certificate is not valid yet", "clock");
}

#[test]
fn a_port_without_tls_is_named() {
    let server = RedisServer::start().unwrap();
    assert_refused(&failure(secure(server.port())), "does not speak TLS", "redis://");
}

#[test]
fn a_port_with_tls_that_is_asked_without_is_named() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "no");
    let plain = LockManager::builder().url(format!("redis://127.0.0.1:{}/", tls.number()));
    let error = failure(plain);
    assert!(error.to_string().contains("rediss://"), "{error}");
}

#[test]
fn a_port_that_never_answers_is_an_error_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = failure(secure(silent.local_addr().unwrap().port()));
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
}

/// A client cannot tell which certificates it was made with.
#[cfg(feature = "redis")]
#[test]
fn a_client_with_certificates_of_its_own_is_refused_with_advice() {
    let authority = Authority::new();
    let (_server, tls) = server(&authority, &Authority::here(), "no");
    let url = format!("rediss://127.0.0.1:{}/", tls.number());
    let own = TlsCertificates { client_tls: None, root_cert: Some(authority.pem().into_bytes()) };
    let client = Client::build_with_tls(url.as_str(), own).unwrap();
    let with_own = || LockManager::builder().client(client.clone());
    for builder in [with_own(), with_own().ca_certificate(authority.pem())] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, LockError::Config(_)), "{error:?}");
        let text = error.to_string();
        let (what, next) = text.split_once("; ").expect("what is wrong and what to do");
        assert_eq!(what, "the client keeps its certificates to itself");
        assert!(next.contains("`ca_certificate` and `client_certificate`"), "{next}");
    }
    let client = Client::open(url).unwrap();
    assert_locks(|| LockManager::builder().client(client.clone()).ca_certificate(authority.pem()));
}

#[test]
fn certificates_that_cannot_be_used_are_configuration_errors() {
    let issued = Authority::new().issue(&Authority::here());
    let plain =
        LockManager::builder().url("redis://127.0.0.1/").ca_certificate(issued.certificate.clone());
    let cases = [
        (secure(1).ca_certificate("not PEM"), "the CA certificate has no PEM block"),
        (
            secure(1).client_certificate("", issued.key.clone()),
            "the client certificate has no PEM block",
        ),
        (
            secure(1).client_certificate(issued.certificate.clone(), issued.certificate.clone()),
            "key has no PEM block",
        ),
        (
            secure(1).client_certificate(
                issued.certificate.clone(),
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            "key is encrypted",
        ),
        (
            secure(1)
                .ca_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "the certificates cannot be used",
        ),
        (plain, "write rediss://"),
    ];
    for (builder, what) in cases {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert!(matches!(error, LockError::Config(_)), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(!format!("{shown} {error} {error:?}").contains("PRIVATE KEY-"), "{error}");
    }
}

#[test]
fn sentinels_and_the_primary_that_they_name_are_asked_with_tls() {
    let authority = Authority::new();
    let (_primary, port) = server(&authority, &Authority::here(), "no");
    let watching = RedisServer::builder().sentinel().arg("tls-replication", "yes");
    let (sentinel, at) = authority.start(watching, &Authority::here(), "no");
    let (at, port) = (at.number(), port.number().to_string());
    sentinel.command(&["SENTINEL", "MONITOR", "locks", "127.0.0.1", &port, "1"]);
    let url = format!("rediss-sentinel://127.0.0.1:{at}/locks");
    assert_locks(|| LockManager::builder().url(&*url).ca_certificate(authority.pem()));
    assert_locks(|| {
        let listed = LockManager::builder().sentinel("locks", [format!("127.0.0.1:{at}")]);
        listed.tls().ca_certificate(authority.pem())
    });
    let error = failure(LockManager::builder().url(&*url)).to_string();
    assert!(error.contains("no Sentinel answers") && error.contains("ca_certificate"), "{error}");
}

#[test]
fn all_nodes_of_a_cluster_are_asked_with_tls() {
    let authority = Authority::new();
    let issued = authority.issue(&Authority::here());
    let ports = [0; 3].map(|_| ReservedPort::for_server().unwrap());
    let all = Cluster::bare_with(3, |node, builder| {
        // Nodes name these ports only if they use them among themselves too.
        let builder = builder.arg("tls-cluster", "yes").arg("tls-replication", "yes");
        authority.set_up(builder, &issued, &ports[node], "no")
    });
    let _all = all.unwrap();
    let seed = format!("localhost:{}", ports[1].number());
    let by_url = || LockManager::builder().url(format!("rediss-cluster://{seed}"));
    for keys in [["key", "a"], ["b", "c"]] {
        let locks = by_url().ca_certificate(authority.pem()).build().unwrap();
        for key in keys {
            locks.mutex(key).wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
        }
    }
    assert_locks(|| by_url().ca_certificate(authority.pem()));
    assert_locks(|| LockManager::builder().cluster([&*seed]).tls().ca_certificate(authority.pem()));
    assert_refused(&failure(by_url()), "an authority that is not trusted", "ca_certificate");
    let plain = LockManager::builder().cluster([&*seed]);
    assert!(failure(plain).to_string().contains("rediss"), "the port expects TLS");
}
