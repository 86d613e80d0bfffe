//! Sentinels, which name the primary of a server and its replicas, and promote one of those when it
//! is gone.
//!
//! A thread for each Sentinel asks it each second, and at once when it announces a switch. The
//! sockets to a server that is the primary no longer are shut down, which is how a link hears of
//! it. The threads start with the first attempt to connect, and end with the manager.

pub(crate) mod election;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::backend::ConnectError;
use crate::backend::redis::address::{Address, AddressListUrl, NodeAddress, joined, parse_all};
use crate::backend::redis::command::Pipeline;
use crate::backend::redis::dialogue::{Dialogue, Limit};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::errors::{OpenError, connect_error, is_wrong_password};
use crate::backend::redis::sentinel::election::{Election, Named, Report};
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::value::{Value, WireError, next};
use crate::backend::socket::{Signal, Stream, wait};
use crate::protocol::connection::ConnectErrorKind;
use crate::types::credentials::Credentials;
use crate::types::environment::thread;
use crate::types::text::{printable, words};
use crate::types::time::{self, Timestamp};
use crate::user_code;

/// The port of a Sentinel whose address has none.
const PORT: u16 = 26379;
/// How often each of them is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest that connecting, and an answer, may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon a Sentinel that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// After this time without a majority for the primary, grants are confirmed.
const UNCONFIRMED: Duration = Duration::from_secs(3);
/// How often a thread that waits for a primary looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Where Sentinels are, and what they call the primary.
pub(crate) struct Sentinels {
    pub(crate) name: String,
    pub(crate) addresses: Vec<NodeAddress>,
    pub(crate) credentials: Option<Credentials>,
}

impl Sentinels {
    /// Reads `redis-sentinel://user:password@host:port,host:port/name/database`, or the same with
    /// `rediss-sentinel://`; `None` if that is not its scheme. Also returns the URL of a server with
    /// that user, password and database, whose address is that of a Sentinel.
    pub(crate) fn parse(url: &str) -> Option<Result<(Self, String), String>> {
        let url = AddressListUrl::parse(url, "sentinel", PORT)?;
        Some(url.and_then(|url| {
            let (name, database) = url.path.split_once('/').unwrap_or((url.path, ""));
            if database.contains('/') {
                return Err("the URL goes on after the database".to_owned());
            }
            let server = url.server(database).ok_or("there is none")?;
            Ok((Self::new(name, url.addresses)?, server))
        }))
    }

    /// The same from its parts.
    pub(crate) fn of(name: &str, addresses: &[String]) -> Result<(Self, String), String> {
        let addresses = parse_all(addresses.iter().map(String::as_str), PORT)?;
        let server = format!("redis://{}/", addresses.first().ok_or("there is none")?);
        Ok((Self::new(name, addresses)?, server))
    }

    fn new(name: &str, addresses: Vec<NodeAddress>) -> Result<Self, String> {
        if name.is_empty() {
            return Err("the primary has no name".to_owned());
        }
        Ok(Self { name: name.to_owned(), addresses, credentials: None })
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, joined(&self.addresses))
    }
}

/// The threads that ask the Sentinels, and what they have found out.
pub(crate) struct SentinelWatch {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    /// An address with the TLS settings of all, and the settings of connections to Sentinels.
    endpoint: Endpoint,
    certificates: Arc<Certificates>,
    state: Mutex<Findings>,
    changed: Condvar,
    confirmation: Arc<Confirmation>,
}

/// When a majority of the Sentinels last named the primary.
#[derive(Default)]
pub(crate) struct Confirmation(AtomicU64);

impl Confirmation {
    /// Whether that is too long ago.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        now.since(Timestamp::from_nanos(self.0.load(Ordering::Relaxed))) > UNCONFIRMED
    }
}

struct Findings {
    election: Election,
    /// The primary of the last attempt to connect.
    tried: Option<Named>,
    sentinels: BTreeMap<NodeAddress, Sentinel>,
    /// Connections to the primary.
    streams: Vec<Weak<Stream>>,
    started: bool,
}

struct Sentinel {
    /// By the user.
    listed: bool,
    signal: Arc<Signal>,
    standing: Standing,
    id: Option<String>,
}

enum Standing {
    Pending,
    Answered,
    UnknownName,
    /// It is a server.
    NoSentinel,
    Refused(String),
    Silent(String),
    /// Another address leads to the same one.
    Double,
}

impl SentinelWatch {
    /// `endpoint`: of the primary, whose credentials are not those of the Sentinels.
    pub(crate) fn new(
        sentinels: Sentinels,
        endpoint: &Endpoint,
        certificates: &Arc<Certificates>,
    ) -> Self {
        let Sentinels { name, mut addresses, credentials } = sentinels;
        addresses.sort_unstable();
        addresses.dedup();
        let (user, password) = credentials.map(|of| (of.user, of.password)).unzip();
        let Endpoint { address, keepalive, user_timeout, .. } = endpoint.clone();
        let endpoint =
            Endpoint { user, password, keepalive, user_timeout, ..Endpoint::new(address) };
        let state = Findings {
            election: Election::new(addresses.len()),
            tried: None,
            sentinels: BTreeMap::new(),
            streams: Vec::new(),
            started: false,
        };
        let shared = Shared {
            name,
            endpoint,
            certificates: Arc::clone(certificates),
            state: Mutex::new(state),
            changed: Condvar::new(),
            confirmation: Arc::default(),
        };
        let shared = Arc::new(shared);
        for address in addresses {
            shared.lock().add(address, true);
        }
        Self { shared }
    }

    pub(crate) fn confirmation(&self) -> Arc<Confirmation> {
        Arc::clone(&self.shared.confirmation)
    }

    /// The address of the primary. Waits for it, if no majority of the Sentinels has named one yet.
    pub(crate) fn primary(&self, until: Timestamp, stop: &Signal) -> Result<Address, ConnectError> {
        let mut state = self.shared.lock();
        if !std::mem::replace(&mut state.started, true) {
            let listed: Vec<_> = state.sentinels.keys().cloned().collect();
            for address in listed {
                self.shared.start(&mut state, address);
            }
        }
        loop {
            if let Some(named) = state.election.primary() {
                let address = self.shared.address(named);
                state.tried = Some(named.clone());
                return Ok(address);
            }
            if stop.is_closed() || time::now() >= until || !state.has_pending() {
                return Err(state.why_there_is_none(&self.shared.name));
            }
            let waited = self.shared.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until then, or until another server is the primary than at the last attempt.
    pub(crate) fn pause(&self, until: Timestamp, stop: &Signal) {
        let mut state = self.shared.lock();
        while state.election.primary() == state.tried.as_ref() && !stop.is_closed() {
            let left = until.since(time::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A connection to this address was opened. It is shut down when another server becomes the
    /// primary.
    pub(crate) fn admit(&self, stream: &Arc<Stream>, address: &Address) -> Result<(), OpenError> {
        let mut state = self.shared.lock();
        let primary = state.election.primary();
        let is_current = primary.is_some_and(|named| self.shared.address(named) == *address);
        if !is_current {
            let text = "the Sentinels have just named another primary; it is connected to next";
            return Err(OpenError::Unfit(ConnectErrorKind::Unreachable, text.to_owned()));
        }
        state.streams.retain(|stream| stream.strong_count() > 0);
        state.streams.push(Arc::downgrade(stream));
        Ok(())
    }
}

impl Drop for SentinelWatch {
    fn drop(&mut self) {
        for sentinel in self.shared.lock().sentinels.values() {
            sentinel.signal.close();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Findings> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, named: &Named) -> Address {
        named.address.to_connect(&self.endpoint.address)
    }

    /// Starts the thread that asks one of them.
    fn start(self: &Arc<Self>, state: &mut Findings, address: NodeAddress) {
        let Some(sentinel) = state.sentinels.get_mut(&address) else { return };
        let (shared, signal) = (Arc::clone(self), Arc::clone(&sentinel.signal));
        let asking = thread::Builder::new().name("distlock-sentinel".to_owned()).spawn(move || {
            user_code::mark_io_thread();
            shared.watch(&address, &signal);
        });
        if let Err(error) = asking {
            sentinel.standing = Standing::Silent(format!("no thread for it: {error}"));
        }
    }

    fn watch(self: &Arc<Self>, address: &NodeAddress, signal: &Signal) {
        while !signal.is_closed() {
            let Err(standing) = self.converse(address, signal) else { return };
            let mut state = self.lock();
            let goes_on = state.failed(address, standing);
            drop(state);
            self.changed.notify_all();
            if !goes_on {
                return;
            }
            wait(None, signal, Some(time::now().plus(PAUSE)));
        }
    }

    /// Connects and asks until that fails, or the manager ends.
    fn converse(self: &Arc<Self>, address: &NodeAddress, signal: &Signal) -> Result<(), Standing> {
        let limit = || Limit::of(PATIENCE);
        let endpoint = self.endpoint.at(address.to_connect(&self.endpoint.address));
        let failed = |error| of_error(&endpoint.address, error);
        let mut dialogue =
            Dialogue::greet(&endpoint, &self.certificates, PATIENCE, signal).map_err(failed)?;
        let mut first = Pipeline::default();
        first.add("SENTINEL", &["MYID"]).add("SUBSCRIBE", &["+switch-master"]);
        let answers = dialogue.ask(&endpoint.address, &first, &limit()).map_err(failed)?;
        let id = next(&mut answers.into_iter()).into_text();
        let id = id.map_err(|error| failed(error.into()))?;
        if !self.lock().identified(address, &id) {
            return Err(Standing::Double);
        }
        let mut question = Pipeline::default();
        question.add("SENTINEL", &["MASTER", &self.name]);
        question.add("SENTINEL", &["SENTINELS", &self.name]);
        while !signal.is_closed() {
            let asked = time::now();
            let mut answers =
                dialogue.ask(&endpoint.address, &question, &limit()).map_err(failed)?.into_iter();
            let mut read = || -> Result<_, WireError> {
                let primary = next(&mut answers).into_map()?;
                let others = next(&mut answers).into_list()?;
                let others: Vec<_> =
                    others.into_iter().map(Value::into_map).collect::<Result<_, _>>()?;
                Ok((primary, others))
            };
            let (primary, others) = read().map_err(|error| failed(error.into()))?;
            self.reported(address, &id, asked, &primary, &others)?;
            dialogue.listen(asked.plus(INTERVAL)).map_err(failed)?;
        }
        Ok(())
    }

    fn reported(
        self: &Arc<Self>,
        address: &NodeAddress,
        id: &str,
        at: Timestamp,
        primary: &BTreeMap<String, String>,
        others: &[BTreeMap<String, String>],
    ) -> Result<(), Standing> {
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
        let epoch = number(primary.get("config-epoch")).unwrap_or(0);
        let port = number(primary.get("port")).and_then(|port| u16::try_from(port).ok());
        let at_host = |host: &str| NodeAddress::new(host, port?);
        let Some(primary) = primary.get("ip").and_then(|host| at_host(host)) else {
            return Err(silent("it names no address of the primary"));
        };
        let known: Vec<_> = others.iter().filter_map(Other::new).collect();
        let ids = known.iter().map(|other| other.id.to_owned()).collect();
        let report = Report { primary: Named { address: primary, epoch }, others: ids, at };
        let mut state = self.lock();
        if let Some(sentinel) = state.sentinels.get_mut(address) {
            sentinel.standing = Standing::Answered;
        }
        for Other { address, id } in known {
            if state.is_new(&address, id) {
                state.add(address.clone(), false);
                self.start(&mut state, address);
            }
        }
        let moved = state.election.reported(time::now(), id.to_owned(), report);
        let confirmed = state.election.confirmed().as_nanos();
        self.confirmation.0.store(confirmed, Ordering::Relaxed);
        let left = if moved { std::mem::take(&mut state.streams) } else { Vec::new() };
        drop(state);
        self.changed.notify_all();
        let left: Vec<_> = left.iter().filter_map(Weak::upgrade).collect();
        for stream in &left {
            stream.shut_down();
        }
        if !left.is_empty() {
            let name = words(&self.name);
            user_code::event!(WARN, name, "the Sentinels name another primary");
        }
        Ok(())
    }
}

/// Another Sentinel, as one says.
struct Other<'a> {
    id: &'a str,
    address: NodeAddress,
}

impl<'a> Other<'a> {
    fn new(said: &'a BTreeMap<String, String>) -> Option<Self> {
        let id = said.get("runid").filter(|id| !id.is_empty())?;
        let address = NodeAddress::new(said.get("ip")?, said.get("port")?.parse().ok()?)?;
        Some(Self { id, address })
    }
}

impl Findings {
    fn add(&mut self, address: NodeAddress, listed: bool) {
        // Without a signal it is not asked: the process has no file descriptors left.
        let Ok(signal) = Signal::new() else { return };
        let signal = Arc::new(signal);
        let sentinel = Sentinel { listed, signal, standing: Standing::Pending, id: None };
        self.sentinels.insert(address, sentinel);
    }

    /// Whether nobody asks the Sentinel with this id and this address yet.
    fn is_new(&self, address: &NodeAddress, id: &str) -> bool {
        !self.sentinels.contains_key(address)
            && !self.sentinels.values().any(|sentinel| sentinel.id.as_deref() == Some(id))
    }

    /// The Sentinel at this address has this id. Returns `false` if it is asked at another one.
    fn identified(&mut self, address: &NodeAddress, id: &str) -> bool {
        let is_double = self
            .sentinels
            .iter()
            .any(|(other, sentinel)| other != address && sentinel.id.as_deref() == Some(id));
        if let Some(sentinel) = self.sentinels.get_mut(address) {
            sentinel.id = (!is_double).then(|| id.to_owned());
            if is_double && sentinel.listed {
                sentinel.listed = false;
                self.election.is_listed_twice();
            }
        }
        !is_double
    }

    /// Returns whether it is to be asked again.
    fn failed(&mut self, address: &NodeAddress, standing: Standing) -> bool {
        let Some(sentinel) = self.sentinels.get_mut(address) else { return false };
        if let Some(id) = sentinel.id.take() {
            self.election.is_silent(&id);
        }
        let is_double = matches!(standing, Standing::Double);
        sentinel.standing = standing;
        !is_double
    }

    fn has_pending(&self) -> bool {
        self.sentinels.values().any(|sentinel| matches!(sentinel.standing, Standing::Pending))
    }

    fn why_there_is_none(&self, name: &str) -> ConnectError {
        use ConnectErrorKind::{Permanent, Unreachable};

        let any = |is: fn(&Standing) -> bool| self.sentinels.values().any(|one| is(&one.standing));
        let why: Vec<_> = self.sentinels.iter().filter_map(|(at, one)| one.problem(at)).collect();
        let why = why.join(", ").replace(';', ",");
        let name = printable(name);
        let (kind, text) = if any(|standing| matches!(standing, Standing::Answered)) {
            let agreement = self.election.agreement(time::now());
            let known = agreement.known;
            let agree = agreement.most.map_or(0, |(_, count)| count);
            let why = if why.is_empty() { why } else { format!(" ({why})") };
            let text = format!(
                "no majority of the Sentinels names a primary '{name}', only {agree} of {known} \
                 agree{why}; check that the others run and can be reached"
            );
            (Unreachable, text)
        } else if any(|standing| matches!(standing, Standing::UnknownName)) {
            let text = format!(
                "the Sentinels watch no primary '{name}'; name it in the URL as `sentinel monitor` \
                 does in their configuration"
            );
            (Permanent, text)
        } else if any(|standing| matches!(standing, Standing::Refused(_))) {
            let text = format!(
                "the Sentinels refuse the user or the password ({why}); set \
                 `sentinel_credentials`, which are not those of the server"
            );
            (Permanent, text)
        } else if any(|standing| matches!(standing, Standing::NoSentinel)) {
            let text = format!(
                "there are servers where Sentinels should be ({why}); name the Sentinels, or write \
                 redis:// for a server"
            );
            (Permanent, text)
        } else {
            let text =
                format!("no Sentinel answers ({why}); check their addresses and that they run");
            (Unreachable, text)
        };
        ConnectError { text, kind }
    }
}

impl Sentinel {
    /// Why it names no primary.
    fn problem(&self, address: &NodeAddress) -> Option<String> {
        match &self.standing {
            Standing::Answered | Standing::Double => None,
            Standing::Pending => Some(format!("{address} has not answered")),
            Standing::UnknownName => Some(format!("{address} does not know it")),
            Standing::NoSentinel => Some(format!("{address} is a server")),
            Standing::Silent(why) | Standing::Refused(why)
                if why.starts_with(&address.to_string()) =>
            {
                Some(why.clone())
            }
            Standing::Silent(why) | Standing::Refused(why) => Some(format!("{address}: {why}")),
        }
    }
}

fn silent(why: &str) -> Standing {
    Standing::Silent(why.to_owned())
}

fn of_error(address: &Address, error: OpenError) -> Standing {
    if let OpenError::Server(WireError::Server(error)) = &error {
        let text = error.words();
        if text.contains("No such master") {
            return Standing::UnknownName;
        }
        // Before Redis 7 the name is in other quotes.
        let words = text.to_lowercase();
        if words.contains("unknown command") && words.contains("sentinel") {
            return Standing::NoSentinel;
        }
        if is_wrong_password(error) || error.code() == "NOPERM" {
            return Standing::Refused(text.trim_end_matches('.').to_owned());
        }
    }
    Standing::Silent(connect_error(address, error, false).text)
}

#[cfg(test)]
pub(crate) mod tests;
