//! Prepares a server, as a state machine without I/O: three round trips after the socket is open.
//!
//! 1. HELLO with the credentials, SELECT, and what the `redis` crate says of itself.
//! 2. Looks at the server and subscribes the inbox.
//! 3. Loads the scripts and opens the tokens for this master, unless that is done. A client that
//!    was slower than another one looks again.
//!
//! A node of a cluster has many counters of tokens, which the first command about a slot opens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{
    ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, Value,
    from_redis_value,
};

use crate::backend::ConnectParams;
use crate::backend::redis::command::LeaseStore;
use crate::backend::redis::command::load_scripts;
use crate::backend::redis::errors::{OpenError, is_about_slot};
use crate::backend::redis::preflight::Denied;
use crate::backend::redis::preflight::Facts;
use crate::backend::redis::preflight::warn_of_hazards;
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
    address: &'a ConnectionInfo,
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
        address: &'a ConnectionInfo,
        space: &'a Keyspace,
        lease_store: &'a Arc<LeaseStore>,
        name: Option<&'a str>,
        params: &'a ConnectParams,
    ) -> (Self, Pipeline) {
        let handshake =
            Self { address, space, lease_store, name, params, step: HandshakeStep::Hello };
        let commands = hello(address.redis_settings());
        (handshake, commands)
    }

    /// Takes the answers to the latest commands, errors of the server among them.
    pub(crate) fn answered(&mut self, answers: Vec<Value>) -> Result<NextStep, OpenError> {
        match std::mem::replace(&mut self.step, HandshakeStep::Look) {
            HandshakeStep::Hello => {
                let greeted = check_hello(self.address.redis_settings(), answers);
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
        self.address.redis_settings().username().unwrap_or("default")
    }

    fn known(&self, look: &Look) -> Duration {
        let [cached, stored] = look.max_leases;
        self.params.data_loss_grace.max_lease.max(cached).max(stored)
    }

    fn look(&self) -> Pipeline {
        let Self { space, lease_store, params, .. } = self;
        let ConnectParams { inbox, confirms, .. } = params;
        let mut commands = redis::pipe();
        commands.cmd("HELLO").cmd("INFO");
        if *confirms {
            commands.cmd("WAIT").arg(0).arg(1);
        }
        // One channel a command: a command for several is answered several times. Ahead of the look
        // at the bound: one that is raised after that is heard of.
        if space.is_sharded() {
            commands.cmd("SUBSCRIBE").arg(lease_store.everyone());
            let slot = params.slot.unwrap_or_default();
            let channel = space.inbox_in(slot, space.process_of(inbox));
            commands.cmd("SSUBSCRIBE").arg(&channel);
            commands.cmd("SCRIPT").arg("LOAD").arg(Script::Check.text_for(space));
            commands.cmd("EVALSHA").arg(Script::Check.sha(space)).arg(3);
            // No other process has this name.
            commands.arg(space.hold(&format!("{{{}}}{inbox}", slot.tag())));
            commands.arg(format!("{}blocked:{{{}}}", space.prefix(), slot.tag()));
            commands.arg(space.tokens_in(slot)).arg(&channel);
            // Rights for what is sent later. Nobody subscribes to this channel.
            commands.cmd("PUBLISH").arg(inbox).arg("");
            commands.cmd("ASKING").cmd("PING");
        } else {
            commands.cmd("SUBSCRIBE").arg(inbox);
            commands.cmd("SUBSCRIBE").arg(lease_store.everyone());
            commands.cmd("SCRIPT").arg("LOAD").arg(Script::Check.text());
            commands.cmd("EVALSHA").arg(Script::Check.sha(space)).arg(3);
            // No other process has this name.
            commands.arg(space.hold(inbox)).arg(space.blocked(RequestId::from_bits(0)));
            commands.arg(space.tokens()).arg(inbox);
            commands.cmd("MULTI").cmd("EXEC");
            commands.cmd("WATCH").arg(space.tokens());
        }
        commands.add_command(lease_store.loaded_steps());
        if !space.is_sharded() {
            commands.cmd("HGETALL").arg(space.tokens());
        }
        commands.add_command(lease_store.stored());
        if let Some(name) = self.name {
            commands.cmd("CLIENT").arg("SETNAME").arg(name);
        }
        commands
    }

    fn read_look(&self, answers: Vec<Value>) -> Result<Look, OpenError> {
        let mut answers = answers.into_iter();
        let said: Option<Value> = next(&mut answers).ok();
        let info: Option<String> = next(&mut answers).ok();
        Facts::new(said.as_ref(), info.as_deref()).check(self.space)?;
        if self.params.confirms {
            let waited = answers.next().unwrap_or(Value::Nil);
            check_confirms(self.user(), info.as_deref(), waited)?;
        }
        let answers: Vec<_> = answers.collect();
        let seconds = read_rights(self.user(), self.space, &answers)?;
        let steps = steps(self.space);
        let before = steps.iter().take_while(|&&step| step != "script exists").count();
        let mut answers = answers.into_iter().skip(before);
        let loaded: Vec<bool> = next(&mut answers)?;
        // An acquire complains of a value of another kind. In a cluster each slot has its own.
        let tokens: Option<BTreeMap<String, String>> =
            if self.space.is_sharded() { None } else { next(&mut answers).ok() };
        let stored: Option<u64> = next(&mut answers).ok().flatten();
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
        // Not the crate's own transactions, which panic where EXEC is allowed and MULTI is not. An
        // empty one ends the watch.
        commands.cmd("MULTI");
        if !look.is_open {
            commands
                .cmd("EVALSHA")
                .arg(Script::Open.sha(self.space))
                .arg(1)
                .arg(self.space.tokens());
            commands.arg(&look.mark.text()).arg(min_fence.get()).arg(millis(self.known(look)));
            commands.arg(millis(failover_grace)).arg(u8::from(lost));
        }
        commands.cmd("EXEC");
        commands
    }

    /// The pause that opening the tokens has begun or found. `opened`: the answer to EXEC.
    fn pause(&self, look: &Look, opened: &Value) -> Option<GrantPause> {
        let Value::Array(answers) = opened else { return None };
        let kind: String = from_redis_value(answers.first()?.clone()).ok()?;
        let reason = PauseReason::of_kind(&kind)?;
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
        let mut announcement = redis::pipe();
        if look.max_leases.iter().any(|&lease| lease < max_lease) {
            self.lease_store.raise(max_lease).into_iter().for_each(|part| {
                announcement.add_command(part);
            });
        }
        let Look { mark, online_replicas, .. } = *look;
        let address = self.address.addr().to_string();
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

pub(crate) fn hello(settings: &RedisConnectionInfo) -> Pipeline {
    let mut commands = redis::pipe();
    commands.cmd("HELLO").arg(3);
    if let Some(password) = settings.password() {
        let user = settings.username().unwrap_or("default");
        commands.arg("AUTH").arg(user).arg(password);
    }
    if settings.db() != 0 {
        commands.cmd("SELECT").arg(settings.db());
    }
    if !settings.skip_set_lib_name() {
        let name = settings.lib_name().unwrap_or("distlock");
        let version = settings.lib_ver().unwrap_or(env!("CARGO_PKG_VERSION"));
        commands.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg(name);
        commands.cmd("CLIENT").arg("SETINFO").arg("LIB-VER").arg(version);
    }
    commands
}

/// The answers to CLIENT SETINFO do not matter: servers before 7.2 do not know it.
pub(crate) fn check_hello(
    settings: &RedisConnectionInfo,
    answers: Vec<Value>,
) -> Result<(), RedisError> {
    let mut answers = answers.into_iter();
    let greeted = answers.next().unwrap_or(Value::Nil).extract_error();
    greeted.map_err(|error| {
        let unknown = error.detail().is_some_and(|text| text.starts_with("unknown command"));
        if unknown { (ErrorKind::RESP3NotSupported, "no HELLO").into() } else { error }
    })?;
    if settings.db() != 0 {
        answers.next().unwrap_or(Value::Nil).extract_error()?;
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
fn denied(user: &str, space: &Keyspace, error: RedisError) -> OpenError {
    let mut denied = Denied::none(space);
    let text = error.to_string();
    if let Some((_, rest)) = text.split_once("no permissions to run the '")
        && let Some((command, _)) = rest.split_once('\'')
    {
        denied.note(command, rest);
    }
    denied.check(user).err().unwrap_or(OpenError::Server(error))
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
        let [command, words]: [String; 2] = [read(refusal[0].clone())?, read(refusal[1].clone())?];
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
            Err(error) if space.is_sharded() && is_about_slot(&error) => {}
            outcome => drop(outcome?),
        }
    }
    if space.is_sharded() && *clock == Value::Nil {
        return Ok(None);
    }
    Ok(Some(read(clock.clone())?))
}

fn next<T: FromRedisValue>(answers: &mut impl Iterator<Item = Value>) -> Result<T, RedisError> {
    read(answers.next().unwrap_or(Value::Nil))
}

fn read<T: FromRedisValue>(answer: Value) -> Result<T, RedisError> {
    Ok(from_redis_value(answer.extract_error()?)?)
}

#[cfg(test)]
mod tests;
