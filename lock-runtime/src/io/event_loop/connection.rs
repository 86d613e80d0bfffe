//! Connecting, and what arrives on a connection.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::backend::{ConnectError, ConnectParams, Push};
use crate::io::event_loop::EventLoop;
use crate::io::link::{Link, LinkEvent};
use crate::io::registry::ReplyTo;
use crate::protocol::commands::CommandError;
use crate::types::printable::words;
use crate::types::time;
use crate::user_code;
use crate::wire::reply::Reply;

/// A lost connection is logged at most this often.
const QUIET: Duration = Duration::from_secs(10);

impl EventLoop {
    pub(crate) fn poll_pushes(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(push)) = self.pushes.poll_recv(context) {
            any = true;
            match push {
                Push::Notification(notice) => self.dispatcher.notice(time::now(), notice),
                Push::Disconnected(connection) if self.endpoint.is_current(connection) => {
                    self.disconnected("the server closed the connection".to_owned());
                }
                Push::Disconnected(_) => {}
            }
        }
        any
    }

    pub(crate) fn poll_link(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(event) = self.link.poll(context) {
            any = true;
            match event {
                LinkEvent::Connected(max_lease) => self.connected(max_lease),
                LinkEvent::ConnectFailed(error) => self.connect_failed(&error),
                LinkEvent::Replies(replies, round_trip) => {
                    self.busy_poll.record_round_trip(round_trip);
                    self.replies(replies);
                }
            }
        }
        any
    }

    fn replies(&mut self, replies: Vec<(ReplyTo, Result<Reply, CommandError>)>) {
        let now = time::now();
        let end = replies.iter().find_map(|(_, reply)| match reply {
            Err(CommandError::NotPrimary(why)) => Some(why.clone()),
            Err(CommandError::ConnectionLost) => Some("the connection broke".to_owned()),
            _ => None,
        });
        for (reply_to, reply) in replies {
            self.dispatcher.reply(now, reply_to, reply);
        }
        if let Some(because) = end {
            self.disconnected(because);
        }
    }

    pub(crate) fn connecting(&mut self) -> Link {
        let hello = ConnectParams {
            inbox: self.inbox.clone(),
            min_fence: self.dispatcher.protocol().min_fence(),
            data_loss_grace: self.dispatcher.protocol().data_loss_grace(),
            connected_before: self.connected_before,
        };
        let pause = if self.failures == 0 {
            Duration::ZERO
        } else {
            pause(self.failures - 1, uuid::Uuid::new_v4().as_bytes()[0])
        };
        let attempt = self.endpoint.connect(hello, self.push_sender.clone());
        Link::Connecting(Box::pin(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            attempt.await
        }))
    }

    /// Drops the connection and what was to be sent on it, and connects again.
    pub(crate) fn reconnect(&mut self) {
        self.dispatcher.abandon(self.link.take_unanswered());
        self.link = self.connecting();
    }

    fn connected(&mut self, max_lease: Duration) {
        let now = time::now();
        if let Some(since) = self.down_since.take() {
            let after = format!("{:.1?}", now.since(since));
            user_code::event!(info, after, "connected again");
        }
        self.failures = 0;
        self.connected_before = true;
        self.dispatcher.connected(now, max_lease);
    }

    fn connect_failed(&mut self, error: &ConnectError) {
        self.failures += 1;
        let now = time::now();
        if self.failures == 1 && self.quiet_until <= now {
            self.quiet_until = now.plus(QUIET);
            self.down_since.get_or_insert(now);
            let error = words(&error.text);
            user_code::event!(warn, error, "cannot connect; trying again");
        }
        self.dispatcher.connect_failed(time::now(), &error.text, error.kind);
        self.link = self.connecting();
    }

    fn disconnected(&mut self, because: String) {
        if matches!(self.link, Link::Up(..)) {
            let now = time::now();
            let reason = words(&because);
            if self.quiet_until <= now {
                self.quiet_until = now.plus(QUIET);
                self.down_since = Some(now);
                user_code::event!(warn, because = reason, "connection lost; connecting again");
            } else {
                user_code::event!(debug, because = reason, "connection lost");
            }
            self.dispatcher.disconnected(now, because);
            self.reconnect();
        }
    }
}

/// The pause after this many failures: doubles from 20 ms to 2 s, of which half is random. Clients
/// of a server that comes back do not all connect at once.
pub fn pause(failures: u32, random: u8) -> Duration {
    let full =
        Duration::from_millis(20).saturating_mul(1 << failures.min(7)).min(Duration::from_secs(2));
    full / 2 + full / 2 * u32::from(random) / 255
}
