//! The connection to the server: connecting, the batches in flight, and what arrives on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::backend::endpoint::Connection;
use crate::backend::{ConnectError, ConnectParams, Push};
use crate::io::dispatcher::{LogTopic, ReplyTo};
use crate::io::event_loop::EventLoop;
use crate::protocol::request::CommandError;
use crate::types::text::words;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::wire::command::Command;
use crate::wire::reply::Reply;

/// Replies count only when all of a batch have come.
const MAX_BATCH: usize = 128;

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>>>>;
type Replies = Pin<Box<dyn Future<Output = Vec<Result<Reply, CommandError>>>>>;

pub(crate) enum Link {
    /// May start with a pause.
    Connecting(Attempt),
    /// The batches are in the order in which they were sent.
    Up(Connection, VecDeque<InFlightBatch>),
}

pub(crate) struct InFlightBatch {
    reply_to: Vec<ReplyTo>,
    sent: Timestamp,
    replies: Replies,
}

/// What the link reports.
pub(crate) enum LinkEvent {
    /// With the longest lease that the server knows of.
    Connected(Duration),
    ConnectFailed(ConnectError),
    /// With the round trip time.
    Replies(Vec<(ReplyTo, Result<Reply, CommandError>)>, Duration),
}

impl Link {
    /// Sends a batch. Each is polled once here, which hands it to the connection and keeps their
    /// order. That poll is outside of tokio's cooperative budget: with the budget used up it would
    /// not send, and the next batch would overtake it.
    pub(crate) fn send(&mut self, mut batch: Vec<(ReplyTo, Command)>, context: &mut Context<'_>) {
        while batch.len() > MAX_BATCH {
            let rest = batch.split_off(MAX_BATCH);
            self.send_batch(std::mem::replace(&mut batch, rest), context);
        }
        self.send_batch(batch, context);
    }

    fn send_batch(&mut self, batch: Vec<(ReplyTo, Command)>, context: &mut Context<'_>) {
        let Self::Up(connection, under_way) = self else {
            return;
        };
        let (reply_to, calls) = batch.into_iter().unzip();
        let mut replies = connection.send(calls);
        let mut first_poll = tokio::task::unconstrained(replies.as_mut());
        let replies = match Pin::new(&mut first_poll).poll(context) {
            Poll::Ready(ready) => Box::pin(std::future::ready(ready)),
            Poll::Pending => replies,
        };
        under_way.push_back(InFlightBatch { reply_to, sent: time::now(), replies });
    }

    /// The callers that wait for a reply of this connection.
    pub(crate) fn take_unanswered(&mut self) -> Vec<ReplyTo> {
        match self {
            Self::Connecting(_) => Vec::new(),
            Self::Up(_, under_way) => {
                under_way.drain(..).flat_map(|batch| batch.reply_to).collect()
            }
        }
    }

    /// Replies come in order, so only the oldest batch is polled.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<LinkEvent> {
        match self {
            Self::Connecting(attempt) => match attempt.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(LinkEvent::ConnectFailed(error)),
                Poll::Ready(Ok(connection)) => {
                    let max_lease = connection.max_lease();
                    *self = Self::Up(connection, VecDeque::new());
                    Poll::Ready(LinkEvent::Connected(max_lease))
                }
            },
            Self::Up(_, under_way) => {
                let Some(batch) = under_way.front_mut() else {
                    return Poll::Pending;
                };
                let Poll::Ready(replies) = batch.replies.as_mut().poll(context) else {
                    return Poll::Pending;
                };
                let InFlightBatch { reply_to, sent, .. } =
                    under_way.pop_front().expect("the batch just polled");
                let round_trip = time::now().since(sent);
                Poll::Ready(LinkEvent::Replies(
                    reply_to.into_iter().zip(replies).collect(),
                    round_trip,
                ))
            }
        }
    }
}

impl EventLoop {
    pub(crate) fn poll_pushes(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(push)) = self.pushes.poll_recv(context) {
            any = true;
            match push {
                Push::Notification(notice) => {
                    self.dispatcher.protocol.notification(time::now(), notice);
                }
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
            min_fence: self.dispatcher.protocol.min_fence(),
            data_loss_grace: self.dispatcher.protocol.data_loss_grace(),
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
            user_code::event!(INFO, after, "connected again");
        }
        self.failures = 0;
        self.connected_before = true;
        self.dispatcher.protocol.connected(now, max_lease);
    }

    fn connect_failed(&mut self, error: &ConnectError) {
        self.failures += 1;
        let now = time::now();
        if self.failures == 1 && self.dispatcher.should_log(now, LogTopic::Connection) {
            self.down_since.get_or_insert(now);
            let error = words(&error.text);
            user_code::event!(WARN, error, "cannot connect; trying again");
        }
        self.dispatcher.connect_failed(time::now(), &error.text, error.kind);
        self.link = self.connecting();
    }

    fn disconnected(&mut self, because: String) {
        if matches!(self.link, Link::Up(..)) {
            let now = time::now();
            let reason = words(&because);
            if self.dispatcher.should_log(now, LogTopic::Connection) {
                self.down_since = Some(now);
                user_code::event!(WARN, because = reason, "connection lost; connecting again");
            } else {
                user_code::event!(DEBUG, because = reason, "connection lost");
            }
            self.dispatcher.protocol.disconnected(now, because);
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
