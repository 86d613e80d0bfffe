//! A connection: opened and prepared in three round trips after the socket is open, it sends
//! batches of commands and passes on what the server pushes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, Pipeline, PushInfo, PushKind,
    RedisError, Value, from_redis_value,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

use crate::backend::redis::command::{Batch, Ladder, sha};
use crate::backend::redis::errors::OpenError;
use crate::backend::redis::preflight::{Denied, Facts, warn_of_hazards};
use crate::backend::{ConnectParams, Push};
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::CommandError;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::millis;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::{Notification, Reply, parse_notification};
use crate::wire::script::Script;

/// The connection: clones share it.
#[derive(Clone)]
pub(crate) struct RedisConnection {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) space: Keyspace,
    pub(crate) ladder: Arc<Ladder>,
    /// The longest lease in milliseconds: a server that lost its scripts gets it again with them.
    pub(crate) max_lease: Arc<AtomicU64>,
}

impl RedisConnection {
    pub(crate) fn max_lease(&self) -> Duration {
        Duration::from_millis(self.max_lease.load(Ordering::Relaxed))
    }

    pub(crate) async fn send(mut self, calls: Vec<Command>) -> Vec<Result<Reply, CommandError>> {
        let batch = Batch::new(&calls);
        let commands = batch.commands(&self.space, &self.ladder);
        let answers = if let [one] = &commands[..] {
            self.connection.send_packed_command(one).await.map(|answer| vec![answer])
        } else {
            let count = commands.len();
            let mut pipeline = Pipeline::with_capacity(count);
            for command in commands {
                pipeline.add_command(command);
            }
            self.connection.send_packed_commands(&pipeline, 0, count).await
        };
        for call in &calls {
            if let Command::RaiseMaxLease(max_lease) = call {
                self.max_lease.fetch_max(millis(*max_lease), Ordering::Relaxed);
            }
        }
        let replies = batch.replies(answers);
        if replies.iter().any(|reply| matches!(reply, Err(CommandError::ScriptMissing))) {
            // A failure shows in the calls that are sent again.
            let mut scripts = load_scripts();
            scripts.add_command(self.ladder.load(self.max_lease()));
            let _ = scripts.exec_async(&mut self.connection).await;
        }
        replies
    }
}

pub(crate) fn pushed(
    pushes: &UnboundedSender<Push>,
    number: u64,
    max_lease: &AtomicU64,
    info: &PushInfo,
) -> Result<(), redis::aio::SendError> {
    let push = match info.kind {
        PushKind::Disconnection => Push::Disconnected(number),
        PushKind::Message => match notice(info) {
            Some(notice) => {
                if let Notification::MaxLease(heard) = notice {
                    max_lease.fetch_max(millis(heard), Ordering::Relaxed);
                }
                Push::Notification(notice)
            }
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    pushes.send(push).map_err(|_| redis::aio::SendError)
}

pub(crate) fn notice(info: &PushInfo) -> Option<Notification> {
    match info.data.last()? {
        Value::BulkString(payload) => parse_notification(std::str::from_utf8(payload).ok()?),
        Value::SimpleString(payload) => parse_notification(payload),
        _ => None,
    }
}

pub(crate) fn load_scripts() -> Pipeline {
    let mut pipeline = redis::pipe();
    for script in Script::ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
    }
    pipeline
}

/// The longest that the name lookup, TCP, TLS and HELLO may take together: about five round trips.
const GREETING: Duration = Duration::from_secs(3);

/// A TLS handshake that has not ended by then may be one with a port that does not speak TLS.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// The longest that each of the round trips after HELLO may take.
const STEP: Duration = Duration::from_secs(2);

/// Fencing tokens are microseconds of the server's clock, and one below this is taken for the sign
/// of a loss of data.
const YEAR_2001: i64 = 1_000_000_000;

/// A batch that found the connection's buffer full would be overtaken by later ones: no acquire may
/// be overtaken by its cancel.
const UNBOUNDED: usize = tokio::sync::Semaphore::MAX_PERMITS;

/// What the server is and knows before anything is changed in it.
struct Look {
    /// `None` if the user may not read it.
    info: Option<String>,
    /// The longest lease that the server knows of; zero if it has not granted locks of this key
    /// space before.
    max_lease: Duration,
    /// The fence counter exists.
    exists: bool,
}

/// Round trip 1 is HELLO, which the `redis` crate sends with the credentials; 2 looks at the server
/// and subscribes the inbox; 3 loads the scripts and makes the fence counter if there is none.
pub(crate) async fn open(
    client: &Client,
    number: u64,
    space: Keyspace,
    ladder: Arc<Ladder>,
    name: Option<String>,
    hello: ConnectParams,
    pushes: UnboundedSender<Push>,
) -> Result<RedisConnection, OpenError> {
    let max_lease = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&max_lease);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(UNBOUNDED)
        .set_push_sender(move |info| pushed(&pushes, number, &heard, &info));
    let mut connection =
        greet(client, &config).await.map_err(|error| denied(client, &space, error))?;
    loop {
        let inbox = &hello.inbox;
        let look = look(&mut connection, client, &space, &ladder, name.as_deref(), inbox).await?;
        let known = hello.data_loss_grace.max_lease.max(look.max_lease);
        if prepare(&mut connection, &space, &hello, &look, known).await? {
            if known > look.max_lease {
                announce(&mut connection, &ladder, known).await?;
            }
            max_lease.fetch_max(millis(known), Ordering::Relaxed);
            warn_of_hazards(look.info.as_deref());
            return Ok(RedisConnection { connection, space, ladder, max_lease });
        }
    }
}

async fn greet(
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, OpenError> {
    let greeting = within(GREETING, client.get_multiplexed_async_connection_with_config(config));
    let ConnectionAddr::TcpTls { host, port, .. } = client.get_connection_info().addr() else {
        return greeting.await;
    };
    tokio::select! {
        biased;
        greeted = greeting => greeted,
        () = speaks_plainly(host, *port) => Err(OpenError::WithoutTls),
    }
}

/// Returns if the port answers a PING without TLS. Such a server takes the start of a TLS handshake
/// for an incomplete command and waits for the rest.
async fn speaks_plainly(host: &str, port: u16) {
    tokio::time::sleep(SUSPICIOUS).await;
    let answer = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.writable().await?;
        stream.try_write(b"PING\r\n")?;
        stream.readable().await?;
        let mut first = [0];
        stream.try_read(&mut first).map(|_| first[0])
    };
    // PONG, or an error because a password is missing.
    if !matches!(answer.await, Ok(b'+' | b'-')) {
        std::future::pending::<()>().await;
    }
}

async fn look(
    connection: &mut MultiplexedConnection,
    client: &Client,
    space: &Keyspace,
    ladder: &Ladder,
    name: Option<&str>,
    inbox: &str,
) -> Result<Look, OpenError> {
    let mut commands = redis::pipe();
    commands.cmd("HELLO").cmd("INFO");
    // One channel a command: a command for several is answered several times. Ahead of the look at
    // the bound: one that is raised after that is heard of.
    commands.cmd("SUBSCRIBE").arg(inbox);
    commands.cmd("SUBSCRIBE").arg(ladder.everyone());
    commands.cmd("SCRIPT").arg("LOAD").arg(Script::Check.text());
    check_rights(&mut commands, space, inbox);
    commands.cmd("MULTI").cmd("EXEC");
    commands.cmd("WATCH").arg(space.fence());
    commands.add_command(ladder.look());
    commands.cmd("EXISTS").arg(space.fence());
    if let Some(name) = name {
        commands.cmd("CLIENT").arg("SETNAME").arg(name);
    }
    let mut answers = acquire(connection, &commands).await?.into_iter();
    let said: Option<Value> = next(&mut answers).ok();
    let info: Option<String> = next(&mut answers).ok();
    Facts::new(said.as_ref(), info.as_deref()).check()?;
    let answers: Vec<_> = answers.collect();
    let seconds = read_rights(client, space, &answers)?;
    let before = STEPS.iter().take_while(|&&step| step != "script exists").count();
    let mut answers = answers.into_iter().skip(before);
    let loaded: Vec<bool> = next(&mut answers)?;
    let exists = next(&mut answers)?;
    if seconds < YEAR_2001 {
        let text =
            "the server's clock is before 2001; set it, because fencing tokens are derived from it";
        return Err(OpenError::Unfit(ConnectErrorKind::Permanent, text.to_owned()));
    }
    Ok(Look { info, max_lease: Ladder::highest(&loaded), exists })
}

/// The commands after HELLO and INFO, which may both be denied; the last one only with a client
/// name.
const STEPS: [&str; 10] = [
    "subscribe",
    "subscribe",
    "script load",
    "evalsha",
    "multi",
    "exec",
    "watch",
    "script exists",
    "exists",
    "client setname",
];

fn check_rights(commands: &mut Pipeline, space: &Keyspace, inbox: &str) {
    // No other process has this name.
    commands.cmd("EVALSHA").arg(sha(Script::Check)).arg(3);
    commands.arg(space.hold(inbox)).arg(space.blocked(RequestId::from_bits(0))).arg(space.fence());
    commands.arg(inbox);
}

/// An error of the greeting, whose SELECT may be denied.
fn denied(client: &Client, space: &Keyspace, error: OpenError) -> OpenError {
    let mut denied = Denied::none(space);
    if let OpenError::Server(error) = &error
        && let Some((_, rest)) = error.to_string().split_once("no permissions to run the '")
        && let Some((command, _)) = rest.split_once('\'')
    {
        denied.note(command, rest);
    }
    denied.check(user(client)).err().unwrap_or(error)
}

fn user(client: &Client) -> &str {
    client.get_connection_info().redis_settings().username().unwrap_or("default")
}

/// The server's clock, if the user has all rights and nothing else was refused.
fn read_rights(client: &Client, space: &Keyspace, answers: &[Value]) -> Result<i64, OpenError> {
    let mut denied = Denied::none(space);
    for (step, answer) in STEPS.into_iter().zip(answers) {
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
                ConnectErrorKind::Unsuitable,
                format!("{words}; connect to the primary"),
            ));
        }
        denied.note(&command, &words);
    }
    denied.check(user(client))?;
    answers.iter().try_for_each(|answer| answer.clone().extract_error().map(drop))?;
    Ok(read(clock.clone())?)
}

/// Loads the scripts, and makes the fence counter where there is none. A server that knows of
/// leases but not the counter, or that we were connected to before, has lost its data; see
/// `scripts/init_fence.lua`. Optimistic locking (WATCH in [`look`]) makes one of several clients
/// that connect at the same time decide; `false` if it was another: look again.
async fn prepare(
    connection: &mut MultiplexedConnection,
    space: &Keyspace,
    hello: &ConnectParams,
    look: &Look,
    known: Duration,
) -> Result<bool, OpenError> {
    let lost = hello.connected_before || hello.min_fence > Fence::ZERO || !look.max_lease.is_zero();
    let mut commands = load_scripts();
    // Not the crate's own transactions, which panic where EXEC is allowed and MULTI is not. An
    // empty one ends the watch.
    commands.cmd("MULTI");
    if !look.exists {
        commands.cmd("EVALSHA").arg(sha(Script::InitFence)).arg(1).arg(space.fence());
        commands.arg(hello.min_fence.get()).arg(millis(known)).arg(u8::from(lost));
    }
    commands.cmd("EXEC");
    let answers = acquire(connection, &commands).await?;
    let answers = answers.into_iter().map(Value::extract_error).collect::<Result<Vec<_>, _>>()?;
    Ok(look.exists || answers.last() != Some(&Value::Nil))
}

/// Announces the longest lease to all processes, then to the server, before any call on this
/// connection. Only once the counter is there: a server that refused to make it has no data to
/// lose. The replies are not waited for.
async fn announce(
    connection: &mut MultiplexedConnection,
    ladder: &Ladder,
    max_lease: Duration,
) -> Result<(), RedisError> {
    for mut command in [ladder.publish(max_lease), ladder.load(max_lease)] {
        connection.send_packed_command(command.set_no_response(true)).await?;
    }
    Ok(())
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, OpenError> {
    tokio::time::timeout(limit, step)
        .await
        .map_err(|_| OpenError::Slow(limit))?
        .map_err(OpenError::from)
}

/// One round trip; an answer for each command, errors of the server among them.
async fn acquire(
    connection: &mut MultiplexedConnection,
    commands: &Pipeline,
) -> Result<Vec<Value>, OpenError> {
    within(STEP, connection.req_packed_commands(commands, 0, commands.len())).await
}

fn next<T: FromRedisValue>(answers: &mut impl Iterator<Item = Value>) -> Result<T, RedisError> {
    read(answers.next().unwrap_or(Value::Nil))
}

fn read<T: FromRedisValue>(answer: Value) -> Result<T, RedisError> {
    Ok(from_redis_value(answer.extract_error()?)?)
}
