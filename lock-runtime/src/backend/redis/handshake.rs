//! Prepares a server, as a state machine without I/O: three round trips after the socket is open.
//!
//! 1. HELLO with the credentials, SELECT, and CLIENT SETINFO.
//! 2. Looks at the server and subscribes the inbox.
//! 3. Loads the scripts and opens the tokens for this master, unless that is done. A client that
//!    was slower than another one looks again.
//!
//! A node of a cluster has many counters of tokens, which the first command about a slot opens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::ConnectParams;
use crate::backend::redis::command::{LeaseStore, Pipeline, load_scripts};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::errors::{OpenError, WITHOUT_RESP3, is_about_slot};
use crate::backend::redis::preflight::{Denied, Facts, warn_of_hazards};
use crate::backend::redis::value::{Value, WireError, next};
use crate::protocol::connection::ConnectErrorKind;
use crate::types::fence::Fence;
use crate::types::pause::{GrantPause, PauseReason};
use crate::types::request_id::RequestId;
use crate::types::time::millis;
use crate::wire::keyspace::{Keyspace, Mark};
use crate::wire::reply::online_replicas;
use crate::wire::script::Script;

/// Fencing tokens are microseconds of the server's clock, and one below this is taken for the sign
/// of a loss of data.
const YEAR_2001: i64 = 1_000_000_000;

/// What the server is and knows before anything is changed in it.
struct Look {
    /// `None` if the user may not read it.
    info: Option<String>,
    /// The longest lease by the script cache, and by the data; zero if the server has not granted
    /// locks of this key space before.
    max_leases: [Duration; 2],
    mark: Mark,
    online_replicas: u32,
    /// What is left of a wait that was begun before, and whether this master has begun it.
    waits: Option<(Duration, bool)>,
    /// The tokens are open on this master, or under a name of another kind of value, of which an
    /// acquire complains.
    is_open: bool,
}

/// A connection that is ready.
pub(crate) struct Prepared {
    pub(crate) mark: Mark,
    pub(crate) max_lease: Duration,
    /// How many replicas of the server are online.
    pub(crate) online_replicas: u32,
    /// The address of the server.
    pub(crate) address: String,
    /// Whether it grants nothing at first.
    pub(crate) pause: Option<GrantPause>,
    /// To be sent first; nobody waits for the answers.
    pub(crate) announcement: Pipeline,
}

pub(crate) struct Handshake<'a> {
    endpoint: &'a Endpoint,
    space: &'a Keyspace,
    lease_store: &'a LeaseStore,
    name: Option<&'a str>,
    params: &'a ConnectParams,
    step: HandshakeStep,
}

/// What the commands in flight are for.
enum HandshakeStep {
    Hello,
    Look,
    Prepare(Look),
}

/// What to do next.
pub(crate) enum NextStep {
    /// Send these and pass on their answers.
    Send(Pipeline),
    Done(Prepared),
}

impl<'a> Handshake<'a> {
    /// Returns the commands of the first round trip.
    pub(crate) fn start(
        endpoint: &'a Endpoint,
        space: &'a Keyspace,
        lease_store: &'a Arc<LeaseStore>,
        name: Option<&'a str>,
        params: &'a ConnectParams,
    ) -> (Self, Pipeline) {
        let handshake =
            Self { endpoint, space, lease_store, name, params, step: HandshakeStep::Hello };
        (handshake, hello(endpoint))
    }

    /// Takes the answers to the latest commands, errors of the server among them.
    pub(crate) fn answered(&mut self, answers: Vec<Value>) -> Result<NextStep, OpenError> {
        match std::mem::replace(&mut self.step, HandshakeStep::Look) {
            HandshakeStep::Hello => {
                let greeted = check_hello(self.endpoint, answers);
                greeted.map_err(|error| denied(self.user(), self.space, error))?;
                Ok(NextStep::Send(self.look()))
            }
            HandshakeStep::Look => {
                let look = self.read_look(answers)?;
                let commands = self.prepare(&look);
                self.step = HandshakeStep::Prepare(look);
                Ok(NextStep::Send(commands))
            }
            HandshakeStep::Prepare(look) => {
                let answers: Vec<Value> =
                    answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?;
                if !look.is_open && answers.last() == Some(&Value::Nil) {
                    // Another client opened the tokens meanwhile.
                    return Ok(NextStep::Send(self.look()));
                }
                warn_of_hazards(look.info.as_deref());
                let pause = answers.last().and_then(|opened| self.pause(&look, opened));
                Ok(self.done(&look, pause))
            }
        }
    }

    fn user(&self) -> &str {
        self.endpoint.user_name()
    }

    fn known(&self, look: &Look) -> Duration {
        let [cached, stored] = look.max_leases;
        self.params.data_loss_grace.max_lease.max(cached).max(stored)
    }

    fn look(&self) -> Pipeline {
        let Self { space, lease_store, params, .. } = self;
        let ConnectParams { inbox, confirms, .. } = params;
        let mut commands = Pipeline::default();
        commands.add("HELLO", &[]).add("INFO", &[]);
        if *confirms {
            commands.add("WAIT", &["0", "1"]);
        }
        // One channel a command: a command for several is answered several times. Ahead of the look
        // at the bound: one that is raised after that is heard of.
        if space.is_sharded() {
            commands.add("SUBSCRIBE", &[lease_store.everyone()]);
            let slot = params.slot.unwrap_or_default();
            let channel = space.inbox_in(slot, space.process_of(inbox));
            commands.add("SSUBSCRIBE", &[&channel]);
            commands.add("SCRIPT", &["LOAD", Script::Check.text_for(space)]);
            // No other process has this name.
            let hold = space.hold(&format!("{{{}}}{inbox}", slot.tag()));
            let blocked = format!("{}blocked:{{{}}}", space.prefix(), slot.tag());
            let (sha, tokens) = (Script::Check.sha(space), space.tokens_in(slot));
            commands.add("EVALSHA", &[&sha, "3", &hold, &blocked, &tokens, &channel]);
            // Rights for what is sent later. Nobody subscribes to this channel.
            commands.add("PUBLISH", &[inbox, ""]);
            commands.add("ASKING", &[]).add("PING", &[]);
        } else {
            commands.add("SUBSCRIBE", &[inbox]);
            commands.add("SUBSCRIBE", &[lease_store.everyone()]);
            commands.add("SCRIPT", &["LOAD", Script::Check.text()]);
            // No other process has this name.
            let (hold, blocked) = (space.hold(inbox), space.blocked(RequestId::from_bits(0)));
            let (sha, tokens) = (Script::Check.sha(space), space.tokens());
            commands.add("EVALSHA", &[&sha, "3", &hold, &blocked, &tokens, inbox]);
            commands.add("MULTI", &[]).add("EXEC", &[]);
            commands.add("WATCH", &[&tokens]);
        }
        lease_store.loaded_steps(&mut commands);
        if !space.is_sharded() {
            commands.add("HGETALL", &[&space.tokens()]);
        }
        lease_store.stored(&mut commands);
        if let Some(name) = self.name {
            commands.add("CLIENT", &["SETNAME", name]);
        }
        commands
    }

    fn read_look(&self, answers: Vec<Value>) -> Result<Look, OpenError> {
        let mut answers = answers.into_iter();
        let said = next(&mut answers).extract_error().ok();
        let info = next(&mut answers).into_text().ok();
        Facts::new(said.as_ref(), info.as_deref()).check(self.space)?;
        if self.params.confirms {
            let waited = next(&mut answers);
            check_confirms(self.user(), info.as_deref(), waited)?;
        }
        let answers: Vec<_> = answers.collect();
        let seconds = read_rights(self.user(), self.space, &answers)?;
        let steps = steps(self.space);
        let before = steps.iter().take_while(|&&step| step != "script exists").count();
        let mut answers = answers.into_iter().skip(before);
        let loaded = next(&mut answers).into_list()?.into_iter().map(Value::into_number);
        let loaded: Vec<_> = loaded.map(|one| Ok(one? != 0)).collect::<Result<_, WireError>>()?;
        // An acquire complains of a value of another kind. In a cluster each slot has its own.
        let tokens =
            if self.space.is_sharded() { None } else { next(&mut answers).into_map().ok() };
        let stored = next(&mut answers).into_number().ok();
        let stored = stored.and_then(|stored| u64::try_from(stored).ok());
        self.check_not_left(info.as_deref())?;
        let known = info.as_deref().and_then(Mark::from_info);
        let mark = known.or_else(|| tokens.as_ref().and_then(mark_of)).unwrap_or_default();
        let field = String::from_utf8_lossy(&mark.text()).into_owned();
        let noted = tokens.as_ref().zip(seconds);
        let waits = noted.and_then(|(tokens, now)| waits(tokens.get("w")?, &field, now));
        let is_open = tokens.is_none_or(|tokens| tokens.contains_key(&field));
        if seconds.is_some_and(|seconds| seconds < YEAR_2001) {
            let text = "the server's clock is before 2001; set it, because fencing tokens are \
                        derived from it";
            return Err(OpenError::Unfit(ConnectErrorKind::Permanent, text.to_owned()));
        }
        let online_replicas = info.as_deref().map_or(0, online_replicas);
        let max_leases =
            [LeaseStore::highest(&loaded), Duration::from_millis(stored.unwrap_or_default())];
        Ok(Look { info, max_leases, mark, online_replicas, waits, is_open })
    }

    /// An error if this is a primary that this process has left for another. Only the replication
    /// id proves it: a server that becomes the primary again has a new one, and its run id.
    fn check_not_left(&self, info: Option<&str>) -> Result<(), OpenError> {
        let replid = info.and_then(Mark::from_replid);
        if !replid.is_some_and(|mark| self.params.left.contains(&mark)) {
            return Ok(());
        }
        let text = "this is an old primary, which another one has replaced; connect to the primary \
                    of now, or restart this server to make it the primary again";
        Err(OpenError::Unfit(ConnectErrorKind::Unreachable, text.to_owned()))
    }

    /// Loads the scripts, and opens the tokens unless this master has drawn some. A server that
    /// knows of leases but of no tokens, or that we were connected to before, has lost its data;
    /// see `scripts/open.lua`. Optimistic locking (WATCH in [`Self::look`]) finds data that is lost
    /// between the look and this.
    fn prepare(&self, look: &Look) -> Pipeline {
        let ConnectParams { connected_before, min_fence, failover_grace, .. } = *self.params;
        let is_known = look.max_leases.iter().any(|lease| !lease.is_zero());
        let lost = connected_before || min_fence > Fence::ZERO || is_known;
        let mut commands = load_scripts(self.space);
        if self.space.is_sharded() {
            return commands;
        }
        // An empty transaction ends the watch.
        commands.add("MULTI", &[]);
        if !look.is_open {
            let (sha, tokens) = (Script::Open.sha(self.space), self.space.tokens());
            let mark = look.mark.text();
            let numbers = [min_fence.get(), millis(self.known(look)), millis(failover_grace)];
            let [min_fence, longest, grace] = numbers.map(|number| number.to_string());
            let lost = if lost { "1" } else { "0" };
            let mark = String::from_utf8_lossy(&mark);
            let words = [&*sha, "1", &tokens, &mark, &min_fence, &longest, &grace, lost];
            commands.add("EVALSHA", &words);
        }
        commands.add("EXEC", &[]);
        commands
    }

    /// The pause that opening the tokens has begun or found. `opened`: the answer to EXEC.
    fn pause(&self, look: &Look, opened: &Value) -> Option<GrantPause> {
        let Value::Array(answers) = opened else { return None };
        let reason = PauseReason::of_kind(answers.first()?.as_text()?)?;
        let longest = match reason {
            PauseReason::DataLoss => self.known(look),
            PauseReason::Failover => self.params.failover_grace,
        };
        // Another master's wait is begun again, and not cut short.
        let left = match look.waits {
            Some((left, true)) => left,
            Some((left, false)) => left.max(longest),
            None => longest,
        };
        (!left.is_zero()).then_some(GrantPause { left, reason })
    }

    /// Announces a longer lease to all processes, then to the server, before any call on this
    /// connection. Only once the counter is there: a server that refused to make it has no data to
    /// lose.
    fn done(&self, look: &Look, pause: Option<GrantPause>) -> NextStep {
        let max_lease = self.known(look);
        let mut announcement = Pipeline::default();
        if look.max_leases.iter().any(|&lease| lease < max_lease) {
            self.lease_store.raise(max_lease, &mut announcement);
        }
        let Look { mark, online_replicas, .. } = *look;
        let address = self.endpoint.address.to_string();
        NextStep::Done(Prepared { mark, max_lease, online_replicas, address, pause, announcement })
    }
}

/// An error if the server cannot say what its replicas have confirmed.
fn check_confirms(user: &str, info: Option<&str>, waited: Value) -> Result<(), OpenError> {
    let missing = match (info, waited.extract_error()) {
        (Some(_), Ok(_)) => return Ok(()),
        (None, _) => format!("the user '{user}' may not run INFO"),
        (_, Err(error)) => {
            format!("it does not run WAIT ({})", error.to_string().replace(';', ","))
        }
    };
    let text = format!(
        "{missing}, which replicas need to confirm locks; allow it, or leave out `replicas`"
    );
    Err(OpenError::Unfit(ConnectErrorKind::Permanent, text))
}

/// The mark that the tokens have: for a user who may not read INFO. Of two clients whose marks
/// differ each would make the other one connect again.
fn mark_of(tokens: &BTreeMap<String, String>) -> Option<Mark> {
    let waiting = tokens.get("w").and_then(|waits| Mark::parse(waits.split(' ').next()?));
    waiting.or_else(|| tokens.keys().find_map(|field| Mark::parse(field)))
}

/// What is left at `now`, in seconds, of a wait that is noted with the tokens, and whether the
/// master with this mark has begun it.
fn waits(noted: &str, mark: &str, now: i64) -> Option<(Duration, bool)> {
    let mut words = noted.split(' ');
    let is_own = words.next()? == mark;
    words.next()?;
    let since = Duration::from_micros(words.next()?.parse().ok()?);
    let bound = Duration::from_millis(words.next()?.parse().ok()?);
    let now = Duration::from_secs(u64::try_from(now).ok()?);
    Some(((since + bound).saturating_sub(now), is_own))
}

pub(crate) fn hello(endpoint: &Endpoint) -> Pipeline {
    let mut commands = Pipeline::default();
    match &endpoint.password {
        None => commands.add("HELLO", &["3"]),
        Some(password) => commands.add("HELLO", &["3", "AUTH", endpoint.user_name(), password]),
    };
    if endpoint.database != 0 {
        commands.add("SELECT", &[&endpoint.database.to_string()]);
    }
    if let Some([name, version]) = &endpoint.lib_info {
        commands.add("CLIENT", &["SETINFO", "LIB-NAME", name]);
        commands.add("CLIENT", &["SETINFO", "LIB-VER", version]);
    }
    commands
}

/// The answers to CLIENT SETINFO do not matter: servers before 7.2 do not know it.
pub(crate) fn check_hello(endpoint: &Endpoint, answers: Vec<Value>) -> Result<(), OpenError> {
    let mut answers = answers.into_iter();
    match next(&mut answers).extract_error() {
        Err(WireError::Server(error)) if error.detail().starts_with("unknown command") => {
            return Err(OpenError::Unfit(ConnectErrorKind::Permanent, WITHOUT_RESP3.to_owned()));
        }
        greeted => drop(greeted?),
    }
    if endpoint.database != 0 {
        next(&mut answers).extract_error()?;
    }
    Ok(())
}

/// The commands after HELLO and INFO, which may both be denied; the last one only with a client
/// name.
const fn steps(space: &Keyspace) -> &'static [&'static str] {
    if space.is_sharded() { &NODE_STEPS } else { &STEPS }
}

const NODE_STEPS: [&str; 10] = [
    "subscribe",
    "ssubscribe",
    "script load",
    "evalsha",
    "publish",
    "asking",
    "ping",
    "script exists",
    "zscore",
    "client setname",
];

const STEPS: [&str; 11] = [
    "subscribe",
    "subscribe",
    "script load",
    "evalsha",
    "multi",
    "exec",
    "watch",
    "script exists",
    "hgetall",
    "zscore",
    "client setname",
];

/// An error of the greeting, whose SELECT may be denied.
fn denied(user: &str, space: &Keyspace, error: OpenError) -> OpenError {
    let mut denied = Denied::none(space);
    if let OpenError::Server(WireError::Server(error)) = &error
        && let Some((_, rest)) = error.words().split_once("no permissions to run the '")
        && let Some((command, _)) = rest.split_once('\'')
    {
        denied.note(command, rest);
    }
    denied.check(user).err().unwrap_or(error)
}

/// The server's clock, if the user has all rights and nothing else was refused. `None` if a node of
/// a cluster did not look, because it does not have the slot any more.
fn read_rights(user: &str, space: &Keyspace, answers: &[Value]) -> Result<Option<i64>, OpenError> {
    let mut denied = Denied::none(space);
    for (step, answer) in steps(space).iter().zip(answers) {
        denied.note_answer(step, answer);
    }
    // What is denied within scripts shows only where they can be run.
    let checked: Vec<Value> = match answers.get(3) {
        Some(Value::Array(checked)) => checked.clone(),
        _ => Vec::new(),
    };
    let (clock, refusals) = checked.split_first().unwrap_or((&Value::Nil, &[]));
    for refusal in refusals.chunks_exact(2) {
        let [command, words] = [refusal[0].clone().into_text()?, refusal[1].clone().into_text()?];
        if words.contains("read only replica") {
            // Regardless of the role it reports. Without this each call would find out, and connect
            // again at once.
            return Err(OpenError::Unfit(
                ConnectErrorKind::Unreachable,
                format!("{words}; connect to the primary"),
            ));
        }
        denied.note(&command, &words);
    }
    denied.check(user)?;
    // A key may have a value of another kind.
    let reads = ["hgetall", "zscore"];
    let said = steps(space).iter().zip(answers).filter(|(step, _)| !reads.contains(step));
    for (_, answer) in said {
        match answer.clone().extract_error() {
            Err(WireError::Server(error)) if space.is_sharded() && is_about_slot(&error) => {}
            outcome => drop(outcome?),
        }
    }
    if space.is_sharded() && *clock == Value::Nil {
        return Ok(None);
    }
    Ok(Some(clock.clone().into_number()?))
}

#[cfg(test)]
mod tests;
