//! Asks the servers. What they answer is judged in `findings`.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use distlock::{LockError, LockGuard, LockManager};
use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, RedisError,
};
#[cfg(feature = "tls")]
use redis::{ClientTlsConfig, TlsCertificates};

use crate::connection::Certificates;
use crate::doctor::facts::{
    Answer, Facts, Failure, Fields, Kind, NodeLine, Refusal, Sentinel, Server, SlowCommand, Target,
    WatchedPrimary, fields,
};
use crate::output::as_typed;

/// How long a server may take to answer.
pub const LIMIT: Duration = Duration::from_secs(3);
/// How many round trips are measured.
const ROUND_TRIPS: usize = 10;
/// A command that takes as long as this delays locks.
const SLOW: Duration = Duration::from_millis(100);
/// How far back slow commands count, in seconds.
const RECENT: u64 = 60 * 60;
/// How long keys are looked at, in each server.
const KEYS_LIMIT: Duration = Duration::from_secs(2);
/// So many foreign keys are enough.
const FOREIGN: usize = 5;
/// Locks that are acquired for each master of a cluster, so that each most likely has one of them.
const LOCKS_PER_MASTER: usize = 16;

/// The servers that a URL names.
pub struct Url {
    target: Target,
    /// `host:port` of those that are listed.
    listed: Vec<String>,
    /// How to connect to the first one.
    info: ConnectionInfo,
    /// User and password of the Sentinels.
    of_sentinels: Option<(String, String)>,
}

impl Url {
    pub fn parse(
        url: &str,
        prefix: &str,
        of_sentinels: Option<(&str, &str)>,
        certificates: Certificates,
    ) -> anyhow::Result<Self> {
        if url.starts_with("memory://") {
            bail!("memory:// has no server to check");
        }
        let (server, kind, listed) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.ends_with("-sentinel") => {
                let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                let (server, listed) = first_of(scheme, hosts, database, "26379");
                (server, Kind::Sentinel(name.to_owned()), listed)
            }
            Some((scheme, rest)) if scheme.ends_with("-cluster") => {
                let hosts = rest.split_once('/').map_or(rest, |(hosts, _)| hosts);
                let (server, listed) = first_of(scheme, hosts, "", "6379");
                (server, Kind::Cluster, listed)
            }
            _ => (url.to_owned(), Kind::Server, Vec::new()),
        };
        // It may hold a password, so it is not shown.
        let info = server.as_str().into_connection_info().context("the URL cannot be used")?;
        let has_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let info = if has_tls { with_certificates(info, &certificates)? } else { info };
        let listed = if listed.is_empty() { vec![info.addr().to_string()] } else { listed };
        let settings = info.redis_settings();
        let of_sentinels =
            of_sentinels.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let target = Target {
            kind,
            user: settings.username().map(str::to_owned),
            has_password: settings.password().is_some(),
            tls: has_tls.then_some(certificates),
            sentinel_user: of_sentinels.as_ref().map(|(user, _)| user.clone()),
            prefix: prefix.to_owned(),
        };
        Ok(Self { target, listed, info, of_sentinels })
    }

    /// Asks all servers, and the library for a lock.
    pub fn collect(self, locks: &LockManager) -> Facts {
        let (sentinels, addresses) = match &self.target.kind {
            Kind::Server => (Vec::new(), self.listed.clone()),
            Kind::Sentinel(name) => self.by_sentinels(name),
            Kind::Cluster => (Vec::new(), self.by_nodes()),
        };
        let servers: Vec<_> = addresses.iter().map(|address| self.server(address)).collect();
        let masters = servers.iter().filter(|server| !server.is_replica()).count();
        let failures = self.failures(masters.max(1), locks);
        Facts { target: self.target, servers, sentinels, failures }
    }

    fn connect(&self, address: &str, is_sentinel: bool) -> Answer<Connection> {
        let mut info = self.info.clone();
        if let Some((host, port)) = address.rsplit_once(':').filter(|_| !address.starts_with('/')) {
            let host = host.trim_matches(['[', ']']).to_owned();
            let port = port.parse().unwrap_or(0);
            let like = info.addr().clone();
            info = info.set_addr(match like {
                ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                    ConnectionAddr::TcpTls { host, port, insecure, tls_params }
                }
                _ => ConnectionAddr::Tcp(host, port),
            });
        }
        if is_sentinel {
            let mut settings = redis::RedisConnectionInfo::default();
            if let Some((user, password)) = &self.of_sentinels {
                settings = settings.set_username(user).set_password(password);
            }
            info = info.set_redis_settings(settings);
        } else if info.redis_settings().password().is_some() && self.target.user.is_none() {
            // As the library does: a user without a password accepts each.
            let settings = info.redis_settings().clone().set_username("default");
            info = info.set_redis_settings(settings);
        }
        let client = Client::open(info).map_err(|error| refusal(&error))?;
        let connection =
            client.get_connection_with_timeout(LIMIT).map_err(|error| refusal(&error))?;
        connection.set_read_timeout(Some(LIMIT)).map_err(|error| refusal(&error))?;
        connection.set_write_timeout(Some(LIMIT)).map_err(|error| refusal(&error))?;
        Ok(connection)
    }

    /// The Sentinels, and the servers that they know.
    fn by_sentinels(&self, name: &str) -> (Vec<Sentinel>, Vec<String>) {
        let mut addresses = self.listed.clone();
        let (mut sentinels, mut servers) = (Vec::new(), Vec::new());
        let mut next = 0;
        while let Some(address) = addresses.get(next).cloned() {
            next += 1;
            let mut connection = match self.connect(&address, true) {
                Ok(connection) => connection,
                Err(refusal) => {
                    sentinels.push(Sentinel {
                        address,
                        primary: Err(refusal.clone()),
                        quorum_check: Err(refusal),
                        names: Vec::new(),
                    });
                    continue;
                }
            };
            let mut list = |what: &str| -> Vec<String> {
                let listed: Answer<Vec<Fields>> = ask(&mut connection, &["SENTINEL", what, name]);
                listed.unwrap_or_default().iter().filter_map(address_of).collect()
            };
            let (others, replicas) = (list("SENTINELS"), list("REPLICAS"));
            let is_new = |other: &String| !addresses.contains(other);
            let others: Vec<_> = others.into_iter().filter(is_new).collect();
            addresses.extend(others);
            let primary: Answer<Fields> = ask(&mut connection, &["SENTINEL", "MASTER", name]);
            let primary = primary.map(|said| WatchedPrimary {
                address: address_of(&said).unwrap_or_default(),
                quorum: said.get("quorum").and_then(|text| text.parse().ok()).unwrap_or(0),
                sentinels: 1 + said
                    .get("num-other-sentinels")
                    .and_then(|text| text.parse::<usize>().ok())
                    .unwrap_or(0),
            });
            if let Ok(watched) = &primary {
                servers.push(watched.address.clone());
                servers.extend(replicas);
            }
            let check: Answer<redis::Value> = ask(&mut connection, &["SENTINEL", "CKQUORUM", name]);
            let names = watched_names(&mut connection);
            let quorum_check = check.map(drop);
            sentinels.push(Sentinel { address, primary, quorum_check, names });
        }
        let mut seen = std::collections::HashSet::new();
        servers.retain(|server| seen.insert(server.clone()));
        (sentinels, servers)
    }

    /// The nodes of the cluster, as the first one that answers knows them.
    fn by_nodes(&self) -> Vec<String> {
        for listed in &self.listed {
            let Ok(mut connection) = self.connect(listed, false) else { continue };
            let Ok(nodes) = nodes(&mut connection) else { continue };
            let host = listed.rsplit_once(':').map_or(listed.as_str(), |(host, _)| host);
            let known = nodes.iter().filter(|node| !node.is_failed);
            let named = known.map(|node| {
                let (own, port) = node.address.rsplit_once(':').unwrap_or((&node.address, "6379"));
                // A node that has no peers does not know its own address.
                let own = if own.is_empty() { host } else { own };
                // Certificates are for names.
                let name = node.host_name.as_deref().filter(|_| self.target.tls.is_some());
                format!("{}:{port}", name.unwrap_or(own))
            });
            return named.collect();
        }
        self.listed.clone()
    }

    fn server(&self, address: &str) -> Server {
        let mut server = Server::new(address);
        let mut connection = match self.connect(address, false) {
            Ok(connection) => connection,
            Err(refusal) => {
                server.connected = Err(refusal);
                return server;
            }
        };
        let to = &mut connection;
        server.info = ask::<String>(to, &["INFO"]).map(|text| fields(&text));
        if server.mode() == Some("sentinel") {
            server.watched = watched_names(to);
            return server;
        }
        server.config = ask(to, &["CONFIG", "GET", "*"]);
        measure(to, &mut server);
        server.slow = slow_commands(to);
        if !server.is_replica() {
            server.foreign = foreign_keys(to, &self.target.prefix);
        }
        if self.target.kind == Kind::Cluster {
            server.cluster_info = ask::<String>(to, &["CLUSTER", "INFO"]).map(|text| fields(&text));
            server.cluster_nodes = nodes(to);
        }
        server
    }

    /// Acquires locks as a program does, and releases them.
    fn failures(&self, masters: usize, locks: &LockManager) -> Vec<Failure> {
        let count = match self.target.kind {
            Kind::Cluster => masters * LOCKS_PER_MASTER,
            _ => 1,
        };
        let mut failures = Vec::new();
        for number in 0..count {
            let key = format!("distlock doctor {number}");
            let acquired = locks.mutex(key).wait(LIMIT).acquire_blocking();
            let error = match acquired.and_then(LockGuard::release_blocking) {
                // Another doctor has it.
                Ok(()) | Err(LockError::Busy(_)) => continue,
                Err(error) => error,
            };
            let text = as_typed(&error.to_string());
            let failure = match &error {
                LockError::DataLoss(_) => Failure::Paused(text),
                _ => Failure::new(&text),
            };
            if !failures.contains(&failure) {
                failures.push(failure);
            }
            if !matches!(error, LockError::Refused(_)) {
                // Each further one would take as long.
                break;
            }
        }
        locks.shutdown_blocking();
        failures
    }
}

#[cfg(feature = "tls")]
fn with_certificates(
    info: ConnectionInfo,
    Certificates { ca, client }: &Certificates,
) -> anyhow::Result<ConnectionInfo> {
    let certificates = TlsCertificates {
        client_tls: client.as_ref().map(|[certificate, key]| ClientTlsConfig {
            client_cert: certificate.content.clone(),
            client_key: key.content.clone(),
        }),
        root_cert: ca.as_ref().map(|ca| ca.content.clone()),
    };
    let client = Client::build_with_tls(info, certificates);
    let client = client.context("the certificates cannot be used")?;
    Ok(client.get_connection_info().clone())
}

#[cfg(not(feature = "tls"))]
fn with_certificates(info: ConnectionInfo, _: &Certificates) -> anyhow::Result<ConnectionInfo> {
    Ok(info)
}

/// The URL of the first of these servers, and the addresses of all.
fn first_of(scheme: &str, hosts: &str, database: &str, port: &str) -> (String, Vec<String>) {
    let scheme = scheme.split('-').next().unwrap_or("redis");
    let (user, hosts) = hosts.rsplit_once('@').map_or(("", hosts), |(user, hosts)| (user, hosts));
    let with_port = |host: &str| {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        if has_port { host.to_owned() } else { format!("{host}:{port}") }
    };
    let listed: Vec<_> = hosts.split(',').map(with_port).collect();
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    (format!("{scheme}://{user}{}/{database}", listed[0]), listed)
}

/// `ip` and `port` of what a Sentinel lists.
fn address_of(said: &Fields) -> Option<String> {
    let (host, port) = (said.get("ip")?, said.get("port")?);
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

fn ask<T: FromRedisValue>(connection: &mut Connection, words: &[&str]) -> Answer<T> {
    let mut command = Cmd::new();
    command.arg(words);
    command.query(connection).map_err(|error| refusal(&error))
}

fn refusal(error: &RedisError) -> Refusal {
    let words = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    let code = match error.kind() {
        ErrorKind::AuthenticationFailed => "WRONGPASS",
        _ => error.code().unwrap_or_default(),
    };
    Refusal::new(code, &words)
}

fn watched_names(connection: &mut Connection) -> Vec<String> {
    let all: Answer<Vec<Fields>> = ask(connection, &["SENTINEL", "MASTERS"]);
    all.unwrap_or_default().iter().filter_map(|one| one.get("name").cloned()).collect()
}

fn nodes(connection: &mut Connection) -> Answer<Vec<NodeLine>> {
    let text: String = ask(connection, &["CLUSTER", "NODES"])?;
    Ok(text.lines().filter_map(NodeLine::parse).collect())
}

/// The round trip, and the clock by the fastest one.
fn measure(connection: &mut Connection, server: &mut Server) {
    for _ in 0..ROUND_TRIPS {
        let (before, start) = (SystemTime::now(), Instant::now());
        let Ok((seconds, micros)) = ask::<(i64, i64)>(connection, &["TIME"]) else { return };
        let took = start.elapsed();
        if server.round_trip.is_some_and(|fastest| fastest <= took) {
            continue;
        }
        let here = before.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + took / 2;
        let here = i64::try_from(here.as_millis()).unwrap_or(i64::MAX);
        server.clock_ahead_ms = Some(seconds * 1_000 + micros / 1_000 - here);
        server.round_trip = Some(took);
    }
}

fn slow_commands(connection: &mut Connection) -> Answer<Vec<SlowCommand>> {
    let entries: Vec<redis::Value> = ask(connection, &["SLOWLOG", "GET", "128"])?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let read = |entry: redis::Value| {
        let redis::Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter().skip(1);
        let at: u64 = redis::from_redis_value(parts.next()?).ok()?;
        let took = Duration::from_micros(redis::from_redis_value(parts.next()?).ok()?);
        let words: Vec<String> = redis::from_redis_value(parts.next()?).ok()?;
        let words: String = words.join(" ").chars().take(60).collect();
        let is_recent = at + RECENT >= now.as_secs();
        (is_recent && took >= SLOW).then_some(SlowCommand { took, words })
    };
    Ok(entries.into_iter().filter_map(read).collect())
}

/// Keys with the names of locks that are none.
fn foreign_keys(connection: &mut Connection, prefix: &str) -> Answer<Vec<String>> {
    let escape = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
    let literal: String = prefix.chars().flat_map(|c| escape(c).into_iter().chain([c])).collect();
    let (pattern, start) = (format!("{literal}*}}"), Instant::now());
    let (mut cursor, mut foreign) = (String::from("0"), Vec::new());
    loop {
        let words = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", "500"];
        let (next, names): (String, Vec<Vec<u8>>) = ask(connection, &words)?;
        for name in names {
            let Ok(name) = String::from_utf8(name) else { continue };
            let rest = name.strip_prefix(prefix).unwrap_or_default();
            let is_hold = rest.starts_with('{') || rest.starts_with("odd{~}");
            if is_hold && is_foreign(connection, &name)? {
                foreign.push(name);
            }
        }
        if next == "0" || foreign.len() >= FOREIGN || start.elapsed() > KEYS_LIMIT {
            foreign.truncate(FOREIGN);
            return Ok(foreign);
        }
        cursor = next;
    }
}

fn is_foreign(connection: &mut Connection, name: &str) -> Answer<bool> {
    let kind: String = ask(connection, &["TYPE", name])?;
    Ok(match kind.as_str() {
        "none" => false,
        "string" => {
            let value: Option<Vec<u8>> = ask(connection, &["GET", name])?;
            value.is_some_and(|value| !value.starts_with(b"dl1"))
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> (Url, Vec<String>) {
        let url = Url::parse(url, "lock:", None, Certificates::default()).unwrap();
        let listed = url.listed.clone();
        (url, listed)
    }

    #[test]
    fn urls_are_read_as_the_library_does() {
        let (url, listed) = parse("redis://app:secret@cache.example/2");
        assert_eq!(
            (url.target.kind, listed),
            (Kind::Server, vec!["cache.example:6379".to_owned()])
        );
        assert_eq!((url.target.user.as_deref(), url.target.has_password), (Some("app"), true));
        assert!(url.target.tls.is_none());
        let (url, listed) = parse("redis-sentinel://:secret@one,two:1,[::1]/locks/2");
        assert_eq!(url.target.kind, Kind::Sentinel("locks".to_owned()));
        assert_eq!(listed, ["one:26379", "two:1", "[::1]:26379"]);
        assert_eq!((url.target.user, url.info.redis_settings().db()), (None, 2));
        let (url, listed) = parse("redis-cluster://one:7000,two");
        assert_eq!((url.target.kind, listed.len()), (Kind::Cluster, 2));
        assert_eq!(listed[1], "two:6379");
        let error = |url| {
            let parsed = Url::parse(url, "lock:", None, Certificates::default());
            format!("{:#}", parsed.err().unwrap())
        };
        assert_eq!(error("memory://"), "memory:// has no server to check");
        let error = error("http://:secret@x/");
        assert!(!error.contains("secret"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn the_nodes_of_a_url_with_tls_have_tls() {
        assert!(parse("rediss-cluster://one").0.target.tls.is_some());
    }
}
