//! The connection to the server, and the batches in flight on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::backend::ConnectError;
use crate::backend::endpoint::Connection;
use crate::io::registry::ReplyTo;
use crate::protocol::commands::CommandError;
use crate::types::time::{self, Timestamp};
use crate::wire::command::Command;
use crate::wire::reply::Reply;

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>>>>;
type Replies = Pin<Box<dyn Future<Output = Vec<Result<Reply, CommandError>>>>>;

/// Replies count only when all of a batch have come.
const MAX_BATCH: usize = 128;

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
