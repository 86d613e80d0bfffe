//! One Redis server, through one multiplexed RESP3 connection for commands and notifications.

pub(crate) mod acl;
pub(crate) mod batch;
pub(crate) mod connect;
pub(crate) mod errors;
pub(crate) mod lease_steps;
pub(crate) mod server_info;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, Cmd, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::backend::redis::batch::Batch;
use crate::backend::redis::errors::{call_error, connect_error};
use crate::backend::redis::lease_steps::Ladder;
use crate::backend::redis::tls::Certificates;
use crate::backend::{Boxed, ConnectError, ConnectParams, Connection, Push};
use crate::protocol::in_flight::CommandError;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::raw_reply::RawReply;
use crate::wire::reply::{Decode, Notification, Reply, parse_notification};
use crate::wire::script::{Script, ScriptCall};

/// EVALSHA names a script by the SHA-1 of its text.
static SHA: LazyLock<[String; Script::ALL.len()]> =
    LazyLock::new(|| Script::ALL.map(|script| sha_of(script.text())));

fn sha_of(text: &str) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}

fn sha(script: Script) -> &'static str {
    let index = Script::ALL.iter().position(|&other| other == script);
    &SHA[index.expect("ALL lists every script")]
}

/// A server by its address and credentials.
pub(crate) struct RedisEndpoint {
    client: Client,
    client_name: Option<String>,
    ladder: OnceLock<Arc<Ladder>>,
}

impl RedisEndpoint {
    /// Uses the client's address, credentials and TLS settings. Notifications need RESP3, small
    /// commands need `TCP_NODELAY`, and keepalive finds a connection that the network silently
    /// dropped.
    pub(crate) fn new(
        client: Client,
        client_name: Option<String>,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let client = tls::prepare(client, certificates)?;
        let info = client.get_connection_info().clone();
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let mut tcp = info.tcp_settings().clone().set_nodelay(true);
        if tcp.keepalive().is_none() {
            tcp = tcp.set_keepalive(keepalive());
        }
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(|error| error.to_string())?;
        Ok(Self { client, client_name, ladder: OnceLock::new() })
    }

    pub(crate) fn connect(
        &self,
        number: u64,
        space: Keyspace,
        hello: ConnectParams,
        pushes: UnboundedSender<Push>,
    ) -> Boxed<Result<Connection, ConnectError>> {
        let client = self.client.clone();
        let name = self.client_name.clone();
        let database = client.get_connection_info().redis_settings().db();
        let ladder = self.ladder.get_or_init(|| Arc::new(Ladder::new(&space, database)));
        let ladder = Arc::clone(ladder);
        Box::pin(async move {
            connect::open(&client, number, space, ladder, name, hello, pushes)
                .await
                .map(Connection::Redis)
                .map_err(|error| connect_error(&client, error))
        })
    }
}

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}

fn pushed(
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

fn notice(info: &PushInfo) -> Option<Notification> {
    match info.data.last()? {
        Value::BulkString(payload) => parse_notification(std::str::from_utf8(payload).ok()?),
        Value::SimpleString(payload) => parse_notification(payload),
        _ => None,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn load_scripts() -> Pipeline {
    let mut pipeline = redis::pipe();
    for script in Script::ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
    }
    pipeline
}

/// The connection: clones share it.
#[derive(Clone)]
pub(crate) struct RedisConnection {
    connection: MultiplexedConnection,
    space: Keyspace,
    ladder: Arc<Ladder>,
    /// The longest lease in milliseconds: a server that lost its scripts gets it again with them.
    max_lease: Arc<AtomicU64>,
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
            // Whatever comes of it shows in the calls that are sent again.
            let mut scripts = load_scripts();
            scripts.add_command(self.ladder.load(self.max_lease()));
            let _ = scripts.exec_async(&mut self.connection).await;
        }
        replies
    }
}

fn command(invocation: &ScriptCall) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha(invocation.script())).arg(invocation.keys());
    for word in invocation.words() {
        command.arg(word);
    }
    command
}

fn read(call: &Command, answer: Value) -> Result<Reply, CommandError> {
    if let Value::ServerError(error) = answer {
        return Err(script_error(call.script(), &RedisError::from(error)));
    }
    call.decode(plain(answer)).map_err(CommandError::InvalidReply)
}

fn plain(value: Value) -> RawReply {
    match value {
        Value::Int(number) => RawReply::Int(number),
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_or(RawReply::Other, RawReply::Text)
        }
        Value::SimpleString(text) => RawReply::Text(text),
        Value::Array(items) => RawReply::List(items.into_iter().map(plain).collect()),
        _ => RawReply::Other,
    }
}

/// What an error of this script means, or of a command that runs none.
fn script_error(script: Option<Script>, error: &RedisError) -> CommandError {
    match (call_error(error), script) {
        (CommandError::Refused(words), Some(script)) => {
            CommandError::Refused(script.explain(words))
        }
        (other, _) => other,
    }
}
