//! What is wrong, from what was found out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::connection::Certificates;
use crate::doctor::facts::{Facts, Failure, Fields, Kind, NodeLine, Refusal, Server};
use crate::text::{is_unprintable, short};

/// A round trip of this length makes each lock slow.
const SLOW_ROUND_TRIP: Duration = Duration::from_millis(50);
/// By more than this a clock is wrong. Tokens rise across a failover if the clocks of the servers
/// differ by less than the grace period of 2 s.
const CLOCK_LIMIT_MS: u64 = 1_000;
/// Parts of a limit, in percent, from which it is nearly reached.
const NEARLY: u64 = 90;
/// A cluster has so many slots.
const SLOTS: u32 = 16_384;

/// Something that is wrong, or cannot be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Names the kind of the finding, for `--ignore`.
    pub id: &'static str,
    pub level: Level,
    /// `host:port`.
    pub server: String,
    pub what: String,
    pub why: String,
    /// Lines for a shell.
    pub fix: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Locks do not work.
    Error,
    /// Locks work, and may be lost or slow.
    Warning,
    /// It cannot be found out.
    Unknown,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Unknown => "cannot tell",
        })
    }
}

/// All that is wrong, by server and level.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut report = Report { facts, found: Vec::new() };
    report.sentinels();
    for server in &facts.servers {
        report.server(server);
    }
    report.cluster();
    report.failures();
    report.found
}

/// `redis-cli -h host -p port …`.
fn redis_cli(address: &str, tls: Option<&Certificates>, words: &[&str]) -> String {
    let mut line = if address.starts_with('/') {
        format!("redis-cli -s {}", quoted(address))
    } else {
        let (host, port) = host_and_port(address);
        format!("redis-cli -h {} -p {port}", quoted(host))
    };
    line.push_str(&tls_options(tls));
    for word in words {
        line.push(' ');
        line.push_str(&quoted(word));
    }
    line
}

/// Those of redis-cli.
fn tls_options(tls: Option<&Certificates>) -> String {
    let Some(Certificates { ca, client }) = tls else { return String::new() };
    let client = client.as_ref().map(|[certificate, key]| [("cert", certificate), ("key", key)]);
    let files = ca.iter().map(|ca| ("cacert", ca)).chain(client.into_iter().flatten());
    let options =
        files.map(|(name, file)| format!(" --{name} {}", quoted(&file.path.to_string_lossy())));
    [" --tls".to_owned()].into_iter().chain(options).collect()
}

/// An address of IPv6 without its brackets.
fn host_and_port(address: &str) -> (&str, &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "6379"));
    (host.trim_matches(['[', ']']), port)
}

/// As a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_unprintable) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // A terminal would interpret such characters.
    let (mut format, mut buffer) = (String::new(), [0; 4]);
    for c in word.chars() {
        match c {
            '\'' => format.push_str(r"'\''"),
            '%' => format.push_str("%%"),
            '\\' => format.push_str(r"\\"),
            c if is_unprintable(c) => {
                let bytes = c.encode_utf8(&mut buffer).bytes();
                format.extend(bytes.map(|byte| format!("\\{byte:03o}")));
            }
            c => format.push(c),
        }
    }
    format!("\"$(printf '{format}')\"")
}

/// Whether a version is before this one.
fn is_before(version: &str, first: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < first
}

/// Whether the user or its password is refused, or what the user asks.
fn is_about_user(refusal: &Refusal) -> bool {
    ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&refusal.code.as_str())
}

struct Report<'a> {
    facts: &'a Facts,
    found: Vec<Finding>,
}

impl Report<'_> {
    fn add(
        &mut self,
        (level, id): (Level, &'static str),
        server: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: Vec<String>,
    ) {
        let (server, what, why) = (server.to_owned(), what.into(), why.into());
        self.found.push(Finding { id, level, server, what, why, fix });
    }

    fn line(&self, server: &str, words: &[&str]) -> Vec<String> {
        vec![redis_cli(server, self.facts.target.tls.as_ref(), words)]
    }

    /// Sets the URL. The password is not shown.
    fn url(&self, kind: &str, hosts: &str, path: &str, with_password: bool) -> Vec<String> {
        let target = &self.facts.target;
        let scheme = if target.tls.is_some() { "rediss" } else { "redis" };
        let user = match (&target.user, with_password) {
            (Some(user), true) => format!("{user}:PASSWORD@"),
            (None, true) => ":PASSWORD@".to_owned(),
            (_, false) => String::new(),
        };
        let url = format!("{scheme}{kind}://{user}{hosts}/{path}").replace('\'', r"'\''");
        vec![format!("export DISTLOCK_URL='{url}'")]
    }

    fn user(&self) -> &str {
        self.facts.target.user.as_deref().unwrap_or("default")
    }

    /// That something cannot be known because of this refusal.
    fn cannot_tell(
        &mut self,
        id: &'static str,
        server: &str,
        what: &str,
        rules: &[&str],
        refusal: &Refusal,
    ) {
        let fix = if refusal.code == "NOPERM" {
            self.line(server, &[&["ACL", "SETUSER", self.user()], rules].concat())
        } else {
            Vec::new()
        };
        self.add((Level::Unknown, id), server, what, format!("it says: {}", refusal.words), fix);
    }

    fn server(&mut self, server: &Server) {
        if let Err(refusal) = &server.connected {
            return self.not_connected(&server.address, refusal);
        }
        match &server.info {
            Ok(_) => {}
            Err(refusal) if refusal.code == "NOPERM" => {
                let what = "whether the server may evict locks or has failed over, and most of \
                            what follows from INFO";
                self.cannot_tell("info", &server.address, what, &["+info"], refusal);
            }
            Err(refusal) => return self.not_connected(&server.address, refusal),
        }
        if self.is_unfit(server) {
            return;
        }
        self.memory(server);
        self.persistence(server);
        self.replicas(server);
        self.connections(server);
        self.time(server);
        self.keys(server);
    }

    fn not_connected(&mut self, address: &str, refusal: &Refusal) {
        let words = &refusal.words;
        let (has_password, user) = (self.facts.target.has_password, self.user().to_owned());
        let says = format!("it says: {words}");
        if refusal.code == "WRONGPASS" || words.contains("WRONGPASS") {
            let what = format!("the server does not accept the password of the user '{user}'");
            let fix = self.line(address, &["ACL", "SETUSER", &user, "on", ">PASSWORD"]);
            self.add((Level::Error, "wrong-password"), address, what, says, fix);
        } else if refusal.code == "NOAUTH" || words.contains("NOAUTH") {
            let what = if has_password {
                "the server asks for a password although it was given one"
            } else {
                "the server asks for a password, and the URL has none"
            };
            let fix = self.url("", address, "", true);
            self.add((Level::Error, "no-password"), address, what, says, fix);
        } else if refusal.code == "BUSY" {
            let what = "a script keeps the server busy, and no command is executed meanwhile";
            let fix = self.line(address, &["SCRIPT", "KILL"]);
            self.add((Level::Error, "busy-script"), address, what, says, fix);
        } else if refusal.code == "LOADING" {
            let what = "the server loads its data, and no lock is granted meanwhile";
            let fix = self.line(address, &["INFO", "persistence"]);
            self.add((Level::Error, "loading"), address, what, says, fix);
        } else if words.contains("DB index is out of range") {
            let what = "the server has no database with the number in the URL";
            let fix = self.url("", address, "0", has_password);
            self.add((Level::Error, "database"), address, what, says, fix);
        } else if !self.certificate(address, words) {
            self.unreachable(address, words);
        }
    }

    /// Adds what is wrong with a certificate, if these words of rustls say so.
    fn certificate(&mut self, address: &str, words: &str) -> bool {
        let has = |some: &[&str]| some.iter().any(|word| words.contains(word));
        let Some(Certificates { ca, client }) = &self.facts.target.tls else { return false };
        let show = |what: &str| {
            let shake = format!("openssl s_client -connect {} </dev/null", quoted(address));
            vec![format!("{shake} | openssl x509 -noout {what}")]
        };
        let client_files = "export DISTLOCK_TLS_CERT=CERTIFICATE DISTLOCK_TLS_KEY=KEY";
        let (id, what, fix) = if has(&["CertificateRequired"]) {
            let what = "the server asks for a certificate of the client (--tls-cert)".to_owned();
            ("client-certificate", what, vec![client_files.to_owned()])
        } else if has(&["received fatal alert"]) && client.is_some() {
            let what = "the server does not accept the certificate of --tls-cert".to_owned();
            ("client-certificate", what, vec![client_files.to_owned()])
        } else if !has(&["invalid peer certificate"]) {
            return false;
        } else if has(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) {
            let trusted = if ca.is_some() { "in the file of --tls-ca" } else { "in the system" };
            let what =
                format!("the server's certificate is from an authority that is not {trusted}");
            ("certificate", what, vec!["export DISTLOCK_TLS_CA=CERTIFICATES".to_owned()])
        } else if has(&["not valid for name", "NotValidForName"]) {
            let (host, _) = host_and_port(address);
            let what = format!("the server's certificate is not for the name {host}");
            ("certificate", what, show("-ext subjectAltName"))
        } else {
            let what = "the server's certificate is not accepted".to_owned();
            ("certificate", what, show("-dates"))
        };
        let why = format!("no connection is made: {words}");
        self.add((Level::Error, id), address, what, why, fix);
        true
    }

    /// The library knows best what an error of a connection means.
    fn unreachable(&mut self, address: &str, words: &str) {
        let said = self.facts.failures.iter().find_map(|failure| match failure {
            Failure::Other(text) if text.contains(address) => Some(text.as_str()),
            _ => None,
        });
        let said = said.unwrap_or(words);
        let has_password = self.facts.target.has_password;
        let other_url = |from: &str, to: &str| {
            let lines = self.url("", address, "", has_password);
            lines.into_iter().map(|line| line.replacen(from, to, 1)).collect()
        };
        let (id, what, fix) = if said.contains("does not speak TLS") {
            let what = "the URL is one for TLS, and the port has none";
            ("tls", what, other_url("'rediss", "'redis"))
        } else if said.contains("write rediss://") {
            let what = "the port does not answer in plain text; it may be one for TLS";
            ("tls", what, other_url("'redis", "'rediss"))
        } else {
            ("unreachable", "the server cannot be reached", self.line(address, &["PING"]))
        };
        self.add((Level::Error, id), address, what, format!("calls fail: {said}"), fix);
    }

    /// Whether it is not what the URL says, or cannot keep locks at all.
    fn is_unfit(&mut self, server: &Server) -> bool {
        let (address, kind) = (&server.address, &self.facts.target.kind);
        let has_password = self.facts.target.has_password;
        let is_cluster = *kind == Kind::Cluster;
        let error = |id| (Level::Error, id);
        match server.mode() {
            Some("sentinel") => {
                let names = &server.watched;
                let name = names.first().map_or("NAME", String::as_str);
                let what = format!("this is a Sentinel, which watches {}", names.join(", "));
                let why = "it has no locks, and knows where they are";
                let fix = self.url("-sentinel", address, name, has_password);
                self.add(error("sentinel-url"), address, what, why, fix);
                return true;
            }
            Some("cluster") if !is_cluster => {
                let what = "this is a node of a Redis Cluster, and the URL is that of one server";
                let why = "it refuses each lock whose slot is on another node";
                let fix = self.url("-cluster", address, "", has_password);
                self.add(error("cluster-url"), address, what, why, fix);
                return true;
            }
            Some("standalone") if is_cluster => {
                let what = "this is no node of a Redis Cluster";
                let why = "it does not know the commands by which the nodes are found";
                let fix = self.url("", address, "", has_password);
                self.add(error("single-server-url"), address, what, why, fix);
                return true;
            }
            _ => {}
        }
        if server.is_replica() && *kind == Kind::Server {
            let part = |name| server.info(name).unwrap_or("?");
            let primary = format!("{}:{}", part("master_host"), part("master_port"));
            let what =
                format!("this is a replica, which grants no locks; its primary is {primary}");
            let why = "calls ask it again until outage_timeout is over";
            let fix = self.url("", &primary, "", has_password);
            self.add(error("replica"), address, what, why, fix);
            return true;
        }
        let version = server.info("redis_version").unwrap_or("255");
        let first = if is_cluster { (7, 0) } else { (6, 2) };
        if is_before(version, first) {
            let needed = if is_cluster { "7" } else { "6.2" };
            let what = format!("this is Redis {version}; locks need {needed} or later, or Valkey");
            let why = "the scripts of locks do not run on it";
            let fix =
                vec!["sudo apt-get install redis-server  # or that of your system".to_owned()];
            self.add(error("version"), address, what, why, fix);
            return true;
        }
        if server.info("arch_bits") == Some("32") {
            let what = "this is a 32-bit build of the server";
            let why = "its scripts cannot count fencing tokens";
            let fix = vec!["sudo apt-get install redis-server  # a 64-bit build".to_owned()];
            self.add(error("build"), address, what, why, fix);
            return true;
        }
        if server.info.is_ok() && server.info("master_replid").is_none() {
            let what = "INFO does not show master_replid";
            let why = "failovers go unnoticed: a hold that one loses is lost, its key is granted \
                       to others at once, and fencing tokens may repeat";
            let fix = self.line(address, &["INFO", "replication"]);
            self.add((Level::Warning, "replication-id"), address, what, why, fix);
        }
        false
    }

    fn memory(&mut self, server: &Server) {
        let address = &server.address;
        let Some(limit) = server.number("maxmemory").filter(|&limit| limit > 0) else { return };
        let policy = server.info("maxmemory_policy").unwrap_or("noeviction");
        if policy != "noeviction" {
            let what = format!("the server may evict locks: maxmemory-policy is {policy}");
            let why = "an evicted hold is free for the next request while its owner goes on";
            let fix = self.line(address, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
            self.add((Level::Warning, "eviction"), address, what, why, fix);
        }
        let used = server.number("used_memory").unwrap_or(0);
        if used.saturating_mul(100) >= limit.saturating_mul(NEARLY) {
            let what = format!("{used} of {limit} bytes of maxmemory are used");
            let why = "a server that is full refuses new locks (OOM), or evicts them";
            let more = used.max(limit).saturating_mul(2).to_string();
            let fix = self.line(address, &["CONFIG", "SET", "maxmemory", &more]);
            let level = if used >= limit { Level::Error } else { Level::Warning };
            self.add((level, "memory"), address, what, why, fix);
        }
    }

    fn persistence(&mut self, server: &Server) {
        let address = &server.address;
        let has_failed = |field: &str| server.info(field) == Some("err");
        let saves = server.config("save").is_none_or(|save| !save.is_empty());
        let stops = server.config("stop-writes-on-bgsave-error") != Some("no");
        if has_failed("aof_last_write_status") {
            let what = "the append-only file cannot be written";
            let why = "the server refuses all locks (MISCONF) until its disk has room";
            let fix = self.line(address, &["BGREWRITEAOF"]);
            self.add((Level::Error, "disk"), address, what, why, fix);
        } else if has_failed("rdb_last_bgsave_status") && saves && stops {
            let dir = server.config("dir").unwrap_or("the directory of the server");
            let what = format!("the last snapshot could not be written to {dir}");
            let why = "the server refuses all locks (MISCONF) until one can; make room on its disk";
            let fix = self.line(address, &["BGSAVE"]);
            self.add((Level::Error, "disk"), address, what, why, fix);
        }
        if let Err(refusal) = &server.config {
            let what = "how save, appendfsync, tcp-keepalive, min-replicas-to-write and \
                        cluster-require-full-coverage are set";
            let refusal = refusal.clone();
            self.cannot_tell("config", address, what, &["+config|get"], &refusal);
        }
        match (server.info("aof_enabled"), server.config("save")) {
            (Some("0"), Some("")) => {
                let what = "the server writes nothing to disk: save is empty, appendonly is no";
                let why = "a restart loses all holds; after it nothing is granted until they have \
                           ended, or, if only new clients connect, two may hold one lock";
                let fix = self.line(address, &["CONFIG", "SET", "appendonly", "yes"]);
                self.add((Level::Warning, "no-persistence"), address, what, why, fix);
            }
            (Some("0"), Some(_)) => {
                let what = "the server writes snapshots and no append-only file";
                let why = "a crash loses all holds since the last snapshot; those of processes \
                           that do not connect again within 2 s are granted to others";
                let fix = self.line(address, &["CONFIG", "SET", "appendonly", "yes"]);
                self.add((Level::Warning, "snapshots-only"), address, what, why, fix);
            }
            (Some("1"), _) if server.config("appendfsync") == Some("no") => {
                let what = "appendfsync is no";
                let why = "a power failure loses the holds of up to half a minute; with everysec \
                           it loses those of the last second, with always none";
                let fix = self.line(address, &["CONFIG", "SET", "appendfsync", "everysec"]);
                self.add((Level::Warning, "appendfsync"), address, what, why, fix);
            }
            _ => {}
        }
    }

    fn replicas(&mut self, server: &Server) {
        let address = &server.address;
        if server.is_replica() {
            return;
        }
        let online = server.info.as_ref().map_or(0, online_replicas);
        let needed = server.config("min-replicas-to-write").and_then(|text| text.parse().ok());
        let max_lag = server.config("min-replicas-max-lag").unwrap_or("10");
        let good = server.number("min_slaves_good_slaves").unwrap_or(online);
        if needed.is_some_and(|needed: u64| needed > good && max_lag != "0") {
            let needed = needed.unwrap_or_default();
            let what = format!("min-replicas-to-write is {needed}, and {good} replicas are online");
            let why = "the server refuses all locks (NOREPLICAS)";
            let fewer = good.to_string();
            let fix = self.line(address, &["CONFIG", "SET", "min-replicas-to-write", &fewer]);
            self.add((Level::Error, "min-replicas"), address, what, why, fix);
        }
        let Kind::Sentinel(_) = &self.facts.target.kind else { return };
        if server.number("connected_slaves") == Some(0) {
            let what = "the primary has no replica";
            let why = "if it fails, the Sentinels have no server to promote";
            let (host, port) = host_and_port(address);
            let fix = self.line("REPLICA:6379", &["REPLICAOF", host, port]);
            self.add((Level::Warning, "no-replicas"), address, what, why, fix);
        } else if online >= 2 && needed == Some(0) {
            let what = "min-replicas-to-write is 0 although there are two replicas";
            let why = "a primary that is cut off from them goes on to grant locks until the \
                       Sentinels reach it, and its successor grants them too";
            let set = |name: &str, value: &str| self.line(address, &["CONFIG", "SET", name, value]);
            let fix =
                [set("min-replicas-to-write", "1"), set("min-replicas-max-lag", "10")].concat();
            self.add((Level::Warning, "min-replicas-unset"), address, what, why, fix);
        }
    }

    fn connections(&mut self, server: &Server) {
        let address = &server.address;
        let limit =
            server.number("maxclients").or_else(|| server.config("maxclients")?.parse().ok());
        if let (Some(limit), Some(now)) = (limit, server.number("connected_clients"))
            && now.saturating_mul(100) >= limit.saturating_mul(NEARLY)
        {
            let what = format!("{now} of {limit} connections are open");
            let why = "a process that connects beyond maxclients is refused, and so is one that \
                       has to connect again, which loses its holds";
            let more = limit.saturating_mul(2).to_string();
            let fix = self.line(address, &["CONFIG", "SET", "maxclients", &more]);
            self.add((Level::Warning, "maxclients"), address, what, why, fix);
        }
        if server.config("tcp-keepalive") == Some("0") {
            let what = "tcp-keepalive is 0";
            let why = "the server never notices that a host is gone: its requests stay in front of \
                       the queue, and its connections count";
            let fix = self.line(address, &["CONFIG", "SET", "tcp-keepalive", "60"]);
            self.add((Level::Warning, "keepalive"), address, what, why, fix);
        }
        if server.config("cluster-require-full-coverage") == Some("yes")
            && self.facts.target.kind == Kind::Cluster
        {
            let what = "cluster-require-full-coverage is yes";
            let why = "if one shard is down, all others refuse their locks too";
            let words = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
            let fix = self.line(address, &words);
            self.add((Level::Warning, "full-coverage"), address, what, why, fix);
        }
    }

    fn time(&mut self, server: &Server) {
        let address = &server.address;
        if let Some(ahead) = server.clock_ahead_ms.filter(|ms| ms.unsigned_abs() > CLOCK_LIMIT_MS) {
            let by = short(Duration::from_millis(ahead.unsigned_abs()));
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let what = format!("the clock of the server is {by} {side} that of this host");
            let why = "fencing tokens are derived from it: they may not rise across a failover to \
                       a server whose clock is behind";
            let fix = vec!["sudo timedatectl set-ntp true  # on both hosts".to_owned()];
            self.add((Level::Warning, "clock"), address, what, why, fix);
        }
        if let Some(took) = server.round_trip.filter(|took| *took >= SLOW_ROUND_TRIP) {
            let what = format!("a round trip takes {}", short(took));
            let why = "each lock that is not free at once takes several; a ttl has to be much \
                       longer than one";
            let fix = self.line(address, &["--latency"]);
            self.add((Level::Warning, "round-trip"), address, what, why, fix);
        }
        match &server.slow {
            Ok(slow) => {
                if let Some(slowest) = slow.iter().max_by_key(|entry| entry.took) {
                    let what = format!(
                        "in the last hour the server was busy for {} with one command: {}",
                        short(slowest.took),
                        slowest.words
                    );
                    let why = "all locks wait meanwhile; find who sends it (SLOWLOG GET), then \
                               forget it";
                    let fix = self.line(address, &["SLOWLOG", "RESET"]);
                    self.add((Level::Warning, "slow-commands"), address, what, why, fix);
                }
            }
            Err(refusal) => {
                let what = "whether other commands keep the server busy";
                self.cannot_tell("slowlog", address, what, &["+slowlog|get"], refusal);
            }
        }
    }

    fn keys(&mut self, server: &Server) {
        let address = &server.address;
        match &server.foreign {
            Ok(foreign) => {
                for name in foreign {
                    let what = format!("the key {name} has the name of a lock and is none");
                    let why = "calls for that lock fail (KeyConflict), or wait until it expires; \
                               rename it, or use another --prefix";
                    let fix = self.line(address, &["RENAME", name, &format!("foreign:{name}")]);
                    self.add((Level::Warning, "foreign-key"), address, what, why, fix);
                }
            }
            Err(refusal) => {
                let what = "whether other keys have the names of locks, and `distlock ls` fails";
                self.cannot_tell("scan", address, what, &["+scan", "+type"], refusal);
            }
        }
    }

    fn sentinels(&mut self) {
        let (facts, Kind::Sentinel(name)) = (self.facts, &self.facts.target.kind) else { return };
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for watched in facts.sentinels.iter().filter_map(|one| one.primary.as_ref().ok()) {
            *votes.entry(&watched.address).or_default() += 1;
        }
        let elected = votes.iter().max_by_key(|(_, count)| **count).map(|(address, _)| *address);
        for sentinel in &facts.sentinels {
            let address = &sentinel.address;
            let watched = match &sentinel.primary {
                Ok(watched) => watched,
                Err(refusal) if refusal.words.contains("No such master") => {
                    let known = sentinel.names.join(", ");
                    let other = sentinel.names.first().map_or("NAME", String::as_str);
                    let what = format!("the Sentinel knows no primary '{name}', but {known}");
                    let why = "it does not count towards the majority";
                    let hosts = facts.sentinels.iter().map(|one| one.address.as_str());
                    let hosts = hosts.collect::<Vec<_>>().join(",");
                    let fix = match elected {
                        None => self.url("-sentinel", &hosts, other, facts.target.has_password),
                        Some(primary) => self.monitor(address, name, primary, "2"),
                    };
                    self.add((Level::Error, "sentinel-name"), address, what, why, fix);
                    continue;
                }
                Err(refusal) if is_about_user(refusal) => {
                    self.user_of_sentinel(address, refusal);
                    continue;
                }
                Err(refusal) if self.certificate(address, &refusal.words) => continue,
                Err(refusal) => {
                    let what = "the Sentinel does not answer";
                    let why =
                        format!("without a majority no failover is followed: {}", refusal.words);
                    let fix = self.line(address, &["PING"]);
                    self.add((Level::Warning, "sentinel-down"), address, what, why, fix);
                    continue;
                }
            };
            let quorum = watched.quorum.to_string();
            if let Some(elected) = elected.filter(|elected| *elected != watched.address) {
                let what = format!("the Sentinel takes {} for the primary", watched.address);
                let why = format!("most others name {elected}, and it does not count for that");
                let remove = self.line(address, &["SENTINEL", "REMOVE", name]);
                let fix = [remove, self.monitor(address, name, elected, &quorum)].concat();
                self.add((Level::Error, "sentinels-disagree"), address, what, why, fix);
                continue;
            }
            if watched.sentinels < 3 {
                let what =
                    format!("the Sentinel knows {} in all, itself included", watched.sentinels);
                let why = "with fewer than three no failover is decided once one of them is gone";
                let fix = self.monitor("SENTINEL:26379", name, &watched.address, "2");
                self.add((Level::Warning, "few-sentinels"), address, what, why, fix);
            }
            if let Err(refusal) = &sentinel.quorum_check
                && refusal.code == "NOPERM"
            {
                let what = "whether a failover would be decided, and which replicas there are";
                let user = facts.target.sentinel_user.as_deref().unwrap_or("default");
                let rules = ["+sentinel|ckquorum", "+sentinel|replicas", "+sentinel|masters"];
                let fix = self.line(address, &[&["ACL", "SETUSER", user][..], &rules].concat());
                let why = format!("it says: {}", refusal.words);
                self.add((Level::Unknown, "sentinel-quorum"), address, what, why, fix);
            } else if let Err(refusal) = &sentinel.quorum_check {
                let majority = (watched.sentinels / 2 + 1).to_string();
                let what = format!("a failover would not be decided (its quorum is {quorum})");
                let words = ["SENTINEL", "SET", name, "quorum", &majority];
                let fix = if watched.quorum > watched.sentinels / 2 + 1 {
                    self.line(address, &words)
                } else {
                    self.line(address, &["SENTINEL", "SENTINELS", name])
                };
                let why = format!("it says: {}", refusal.words);
                self.add((Level::Warning, "sentinel-quorum"), address, what, why, fix);
            }
        }
    }

    /// The Sentinel refuses the user, or what it asks.
    fn user_of_sentinel(&mut self, address: &str, refusal: &Refusal) {
        let user = self.facts.target.sentinel_user.as_deref();
        let name = user.unwrap_or("default");
        let acl = |rules: &[&str]| self.line(address, &[&["ACL", "SETUSER", name], rules].concat());
        let (what, fix) = match refusal.code.as_str() {
            "NOPERM" => {
                let what = format!("the user '{name}' of the Sentinel lacks rights");
                let rules = ["+hello", "+subscribe", "+sentinel|myid", "+sentinel|master"];
                (what, acl(&[&rules[..], &["+sentinel|sentinels"]].concat()))
            }
            _ if user.is_none() => {
                let fix =
                    "export DISTLOCK_SENTINEL_USER=default DISTLOCK_SENTINEL_PASSWORD=PASSWORD";
                ("the Sentinel asks for a password".to_owned(), vec![fix.to_owned()])
            }
            _ => {
                let what =
                    format!("the Sentinel does not accept the password of the user '{name}'");
                (what, acl(&["on", ">PASSWORD"]))
            }
        };
        let why = format!("without a majority no failover is followed: {}", refusal.words);
        self.add((Level::Error, "sentinel-user"), address, what, why, fix);
    }

    fn monitor(&self, sentinel: &str, name: &str, primary: &str, quorum: &str) -> Vec<String> {
        let (host, port) = host_and_port(primary);
        self.line(sentinel, &["SENTINEL", "MONITOR", name, host, port, quorum])
    }

    fn cluster(&mut self) {
        if self.facts.target.kind != Kind::Cluster {
            return;
        }
        let servers = &self.facts.servers;
        for server in servers {
            self.slots_that_are_open(server);
        }
        let is_node = |server: &&Server| server.mode() != Some("standalone");
        let refused = servers.iter().filter(is_node).find_map(|server| {
            let refusal = server.cluster_nodes.as_ref().err()?;
            (refusal.code == "NOPERM").then_some((&server.address, refusal))
        });
        if let Some((address, refusal)) = refused {
            let what = "which nodes and replicas the cluster has, and whether slots are open";
            self.cannot_tell("cluster-nodes", address, what, &["+cluster|nodes"], refusal);
        }
        let view =
            servers.iter().find_map(|server| Some((server, server.cluster_nodes.as_ref().ok()?)));
        let Some((server, nodes)) = view else { return };
        self.coverage(server, nodes);
        let replicated: BTreeSet<_> = nodes
            .iter()
            .filter(|node| !node.is_failed)
            .filter_map(|node| node.primary.as_ref())
            .collect();
        for node in nodes.iter().filter(|node| node.is_primary_with_slots() && !node.is_failed) {
            if !replicated.contains(&node.id) {
                let what = "the node has no replica";
                let why = "if it fails, its locks cannot be acquired until it is back";
                let (host, port) = host_and_port(&node.address);
                let fix = [
                    self.line("REPLICA:6379", &["CLUSTER", "MEET", host, port]),
                    self.line("REPLICA:6379", &["CLUSTER", "REPLICATE", &node.id]),
                ];
                let fix = fix.concat();
                self.add((Level::Warning, "no-replicas"), &node.address, what, why, fix);
            }
        }
    }

    fn slots_that_are_open(&mut self, server: &Server) {
        let Ok(nodes) = &server.cluster_nodes else { return };
        let open = nodes.iter().filter(|node| node.is_itself).flat_map(|node| &node.open);
        let slots: Vec<_> = open.map(u16::to_string).collect();
        if !slots.is_empty() {
            let what = format!("a migration of the slots {} is not over", slots.join(", "));
            let why = "a lock of an open slot cannot be acquired once some of its keys have moved; \
                       unless a resharding is under way, end it";
            let fix = self.fix_cluster(server);
            self.add((Level::Warning, "open-slot"), &server.address, what, why, fix);
        }
    }

    fn coverage(&mut self, server: &Server, nodes: &[NodeLine]) {
        let covered = nodes.iter().filter(|node| !node.is_failed).flat_map(|node| &node.slots);
        let covered: u32 =
            covered.map(|&(first, last)| u32::from(last.saturating_sub(first)) + 1).sum();
        let failed = self.facts.servers.iter().find_map(|server| {
            let state = server.cluster_info.as_ref().ok()?.get("cluster_state")?;
            (state != "ok").then_some(server)
        });
        if covered < SLOTS {
            let what = format!("no node serves {} of the slots", SLOTS - covered);
            let why = "their locks cannot be acquired; those of a failed node can when it is back";
            let fix = self.fix_cluster(server);
            self.add((Level::Error, "slots"), &server.address, what, why, fix);
        } else if let Some(server) = failed {
            let what = "the node says cluster_state:fail";
            let why = "it refuses all locks: it does not reach the majority of the masters";
            let fix = self.line(&server.address, &["CLUSTER", "NODES"]);
            self.add((Level::Error, "cluster-state"), &server.address, what, why, fix);
        }
    }

    /// Has redis-cli move the keys of open slots, and give slots that nobody serves to nodes.
    fn fix_cluster(&self, server: &Server) -> Vec<String> {
        let tls = tls_options(self.facts.target.tls.as_ref());
        vec![format!("yes yes | redis-cli{tls} --cluster fix {}", quoted(&server.address))]
    }

    /// What the library met, unless it is one of those above.
    fn failures(&mut self) {
        let server = self.facts.servers.first().map_or("", |server| server.address.as_str());
        for failure in &self.facts.failures {
            let is_known = self.found.iter().any(|finding| finding.level == Level::Error);
            match failure {
                Failure::Rights { what, line } => {
                    let why = "each lock needs these rights, and calls fail without them";
                    let words: Vec<_> = line.split_whitespace().collect();
                    let mut fix: Vec<String> = Vec::new();
                    let is_cluster = self.facts.target.kind == Kind::Cluster;
                    let all =
                        self.facts.servers.iter().filter(|one| is_cluster || !one.is_replica());
                    for one in all {
                        fix.extend(self.line(&one.address, &words));
                    }
                    self.add((Level::Error, "rights"), server, what, why, fix);
                }
                Failure::Command(name) => {
                    let what = format!("the server does not know the command {name}");
                    let why = "no lock works without it; rename-command has taken it away, or this \
                               is no Redis or Valkey";
                    let pattern = quoted(&format!("/^rename-command {name} /Id"));
                    let edit = format!("sudo sed -i {pattern} /etc/redis/redis.conf");
                    let fix = vec![edit, "sudo systemctl restart redis-server".to_owned()];
                    self.add((Level::Error, "commands"), server, what, why, fix);
                }
                Failure::Paused(text) => {
                    let why = "the server has failed over or lost its data; wait until then";
                    let fix = vec!["distlock inspect KEY".to_owned()];
                    self.add((Level::Error, "paused"), server, text, why, fix);
                }
                Failure::Other(_) if is_known => {}
                Failure::Other(text) => {
                    let why = "a lock was asked for, and this is the error";
                    self.add((Level::Error, "acquire"), server, text, why, Vec::new());
                }
            }
        }
    }
}

/// The replicas that INFO shows as online.
fn online_replicas(info: &Fields) -> u64 {
    let lines = info.iter().filter(|(name, _)| {
        name.strip_prefix("slave").is_some_and(|rest| rest.parse::<u32>().is_ok())
    });
    lines.filter(|(_, value)| value.contains("state=online")).count() as u64
}

#[cfg(test)]
mod tests;
