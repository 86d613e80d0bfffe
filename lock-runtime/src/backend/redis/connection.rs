//! The connection: sends batches of commands, and passes on what the server pushes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::backend::Push;
use crate::backend::redis::batch::Batch;
use crate::backend::redis::lease_steps::Ladder;
use crate::protocol::commands::CommandError;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::{Notification, Reply, parse_notification};
use crate::wire::script::Script;

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

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn load_scripts() -> Pipeline {
    let mut pipeline = redis::pipe();
    for script in Script::ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
    }
    pipeline
}

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
