//! The command as it is typed, with servers behind TLS.
#![cfg(feature = "tls")]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use distlock::LockManager;
use serde_json::Value as Json;
use testkit::{Authority, Cluster, RedisServer, ReservedPort, eventually};

use crate::support::distlock;

/// The limit of any wait.
const LIMIT: Duration = Duration::from_secs(30);

/// Files for the options.
struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(authority: &Authority) -> Self {
        let client = authority.issue(&Authority::names(&["client.example"]));
        Self {
            ca: authority.file("our ca.pem", &authority.pem()),
            certificate: authority.file("client.pem", &client.certificate),
            key: authority.file("client-key.pem", &client.key),
        }
    }

    fn variables(&self) -> [(&str, &PathBuf); 3] {
        let Self { ca, certificate, key } = self;
        [("DISTLOCK_TLS_CA", ca), ("DISTLOCK_TLS_CERT", certificate), ("DISTLOCK_TLS_KEY", key)]
    }

    /// With all of them in variables.
    fn run(&self, url: &str, words: &[&str]) -> Output {
        distlock(url, words).envs(self.variables()).output().unwrap()
    }

    /// All that doctor finds.
    fn found(&self, url: &str) -> Vec<Json> {
        findings(&self.run(url, &["doctor", "--json"]))
    }
}

#[track_caller]
fn findings(output: &Output) -> Vec<Json> {
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_is_found(output: &Output, id: &str, what: &str) -> Json {
    let found = findings(output);
    let finding = found.iter().find(|finding| finding["id"] == id);
    let finding = finding.unwrap_or_else(|| panic!("no {id} in {found:#?}"));
    assert!(finding["what"].as_str().unwrap().contains(what), "{finding}");
    finding.clone()
}

#[track_caller]
fn assert_fails(output: &Output, what: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(error.starts_with("distlock: ") && error.contains(what), "no {what} in {error}");
    assert!(!error.contains('`') || !error.contains("_certificate"), "of a program: {error}");
}

fn url(port: &ReservedPort) -> String {
    format!("rediss://127.0.0.1:{}/", port.number())
}

/// One that is fine. It notes no slow commands, which all are on a busy machine.
fn fine() -> testkit::Builder {
    RedisServer::builder().append_only(true).arg("slowlog-log-slower-than", "-1")
}

#[test]
fn a_server_of_a_private_authority_that_asks_for_certificates() {
    let authority = Authority::new();
    let (server, port) = authority.start(fine(), &Authority::here(), "yes");
    let (files, url) = (Files::new(&authority), url(&port));
    // By variables, and by options in front of the command and behind it.
    for words in [
        &["ls"][..],
        &["inspect", "order:7"],
        &["graph"],
        &["run", "order:7", "--", "true"],
        &["doctor"],
    ] {
        let output = files.run(&url, words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    let [ca, certificate, key] = files.variables().map(|(_, path)| path.to_str().unwrap());
    let words = ["--tls-ca", ca, "ls", "--tls-cert", certificate, "--tls-key", key];
    let output = distlock(&url, &words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The lines of doctor get through too.
    server.command(&["CONFIG", "SET", "appendfsync", "no"]);
    let finding = assert_is_found(&files.run(&url, &["doctor", "--json"]), "appendfsync", "is no");
    let line = finding["fix"][0].as_str().unwrap();
    let pasted = Command::new("sh").args(["-c", line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&pasted.stdout), "OK\n", "{line}: {pasted:?}");
    assert_eq!(files.found(&url), [Json::Null; 0]);
}

#[test]
fn what_is_wrong_with_certificates_is_said() {
    let authority = Authority::new();
    let (_server, port) = authority.start(fine(), &Authority::here(), "yes");
    let (files, url) = (Files::new(&authority), url(&port));
    let another = Authority::new();
    let other = Files::new(&another);
    let run = |words: &[&str], variables: &[(&str, &PathBuf)]| {
        distlock(&url, words).envs(variables.iter().copied()).output().unwrap()
    };
    let untrusted = "an authority that is not trusted";
    let [ca, certificate, key] = files.variables();
    let client_of_other = [ca, other.variables()[1], other.variables()[2]];
    for (variables, what, option, id, found) in [
        (&[certificate, key][..], untrusted, "--tls-ca", "certificate", "not in the system"),
        (&[other.variables()[0]], untrusted, "--tls-ca", "certificate", "the file of --tls-ca"),
        (&[ca], "asks for a certificate", "--tls-cert", "client-certificate", "asks for"),
        (&client_of_other, "does not accept", "--tls-cert", "client-certificate", "accept"),
    ] {
        let output = run(&["ls"], variables);
        assert_fails(&output, what);
        assert_fails(&output, option);
        let finding = assert_is_found(&run(&["doctor", "--json"], variables), id, found);
        assert!(finding["fix"][0].as_str().unwrap().contains("DISTLOCK_TLS_"), "{finding}");
    }
}

#[test]
fn a_certificate_for_another_name_is_a_finding_with_its_names() {
    let authority = Authority::new();
    let (_server, port) = authority.start(fine(), &Authority::names(&["redis.example"]), "no");
    let (files, url) = (Files::new(&authority), url(&port));
    assert_fails(&files.run(&url, &["ls"]), "certificate is for another name");
    let output = files.run(&url, &["doctor", "--json"]);
    let finding = assert_is_found(&output, "certificate", "not for the name 127.0.0.1");
    if Command::new("openssl").arg("version").output().is_ok() {
        let line = finding["fix"][0].as_str().unwrap();
        let pasted = Command::new("sh").args(["-c", line]).output().unwrap();
        let names = String::from_utf8_lossy(&pasted.stdout);
        assert!(names.contains("DNS:redis.example"), "{line}: {pasted:?}");
    }
}

#[test]
fn options_that_cannot_be_used_are_errors_before_anything_is_asked() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let [ca, certificate, key] = files.variables().map(|(_, path)| path.to_str().unwrap());
    let empty = authority.file("empty.pem", "");
    let empty = empty.to_str().unwrap();
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = authority.file("locked.pem", locked);
    let tls = "rediss://127.0.0.1:1/";
    for command in ["ls", "doctor"] {
        for (url, options, what) in [
            (
                tls,
                &["--tls-ca", "/no/such.pem"][..],
                "the file of --tls-ca cannot be read: /no/such",
            ),
            (tls, &["--tls-ca", empty], "the file of --tls-ca has no PEM block"),
            (tls, &["--tls-cert", certificate], "add --tls-key"),
            (tls, &["--tls-key", key], "add --tls-cert"),
            (tls, &["--tls-cert", key, "--tls-key", key], "the file of --tls-cert has no PEM"),
            (tls, &["--tls-cert", ca, "--tls-key", ca], "the file of --tls-key has no PEM"),
            (
                tls,
                &["--tls-cert", ca, "--tls-key", locked.to_str().unwrap()],
                "the file of --tls-key is encrypted",
            ),
            ("redis://127.0.0.1:1/", &["--tls-ca", ca], "write rediss:// in the URL"),
            ("redis-sentinel://127.0.0.1:1/locks", &["--tls-ca", ca], "write rediss://"),
            ("redis-cluster://127.0.0.1:1", &["--tls-ca", ca], "write rediss://"),
        ] {
            let output = distlock(url, &[&[command], options].concat()).output().unwrap();
            assert_fails(&output, what);
        }
    }
}

#[test]
fn a_variable_that_is_empty_names_no_file() {
    let server = fine().start().unwrap();
    let mut command = distlock(&server.url(), &["ls"]);
    let names = ["DISTLOCK_TLS_CA", "DISTLOCK_TLS_CERT", "DISTLOCK_TLS_KEY"];
    let output = command.envs(names.map(|name| (name, ""))).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn sentinels_with_certificates_of_a_private_authority() {
    let authority = Authority::new();
    let (_primary, port) = authority.start(fine(), &Authority::here(), "no");
    let builder = RedisServer::builder().sentinel().arg("tls-replication", "yes");
    let (sentinel, at) = authority.start(builder, &Authority::here(), "no");
    let port = port.number().to_string();
    sentinel.command(&["SENTINEL", "MONITOR", "locks", "127.0.0.1", &port, "1"]);
    let url = format!("rediss-sentinel://127.0.0.1:{}/locks", at.number());
    let files = Files::new(&authority);
    let output = files.run(&url, &["run", "order:7", "--", "true"]);
    assert!(output.status.success(), "{output:?}");
    let found = files.found(&url);
    let ids: Vec<_> = found.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["few-sentinels", "no-replicas"], "{found:#?}");
    let untrusted = distlock(&url, &["doctor", "--json"]).output().unwrap();
    assert_is_found(&untrusted, "certificate", "not in the system");
    assert_eq!(findings(&untrusted).len(), 1, "{untrusted:?}");
}

#[test]
fn a_cluster_with_certificates_for_the_names_of_its_nodes() {
    let authority = Authority::new();
    let issued = authority.issue(&Authority::names(&["localhost"]));
    let ports = [0; 2].map(|_| ReservedPort::for_server().unwrap());
    let all = Cluster::bare_with(2, |node, builder| {
        // Nodes name these ports only if they use them among themselves too.
        let builder = builder.arg("tls-cluster", "yes").arg("tls-replication", "yes");
        let builder = builder.arg("cluster-announce-hostname", "localhost");
        let builder = builder.arg("cluster-preferred-endpoint-type", "hostname");
        let builder = builder.arg("slowlog-log-slower-than", "-1").arg("appendonly", "yes");
        authority.set_up(builder, &issued, &ports[node], "no")
    });
    let _all = all.unwrap();
    let url = format!("rediss-cluster://localhost:{}", ports[1].number());
    let files = Files::new(&authority);
    let locks = LockManager::builder().url(&*url).ca_certificate(authority.pem()).build().unwrap();
    let guards = ["a", "b", "c"].map(|key| locks.mutex(key).acquire_blocking().unwrap());
    let output = files.run(&url, &["ls"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4, "{output:?}");
    eventually(LIMIT, "all nodes know the names of all", || {
        let output = files.run(&url, &["doctor", "--json"]);
        let found = findings(&output);
        found.len() == 2 && found.iter().all(|finding| finding["id"] == "no-replicas")
    });
    let untrusted = distlock(&url, &["doctor", "--json"]).output().unwrap();
    assert_is_found(&untrusted, "certificate", "not in the system");
    drop(guards);
}
