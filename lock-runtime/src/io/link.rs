//! The connection of the I/O thread, from the attempt to its end, and the calls under way on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::backend::{ConnectError, Connection};
use crate::io::registry::ReplyTo;
use crate::protocol::machine::CallError;
use crate::types::time;
use crate::types::time::Timestamp;
use crate::wire::call::Call;
use crate::wire::reply::Reply;

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>>>>;
type Replies = Pin<Box<dyn Future<Output = Vec<Result<Reply, CallError>>>>>;

/// As many calls are sent together: their replies count when all of them have come.
const MAX_BATCH: usize = 128;

/// Where the link stands.
pub(crate) enum Link {
    /// Connecting, possibly after a pause.
    Connecting(Attempt),
    /// Connected, with the batches under way in the order of their sending.
    Up(Connection, VecDeque<InFlightBatch>),
}

/// Calls under way.
pub(crate) struct InFlightBatch {
    reply_to: Vec<ReplyTo>,
    sent: Timestamp,
    replies: Replies,
}

/// What a link has to tell.
pub(crate) enum LinkEvent {
    /// The server knows of leases of this length.
    Connected(Duration),
    ConnectFailed(ConnectError),
    /// The replies to a batch, and how long they took.
    Replies(Vec<(ReplyTo, Result<Reply, CallError>)>, Duration),
}

impl Link {
    /// Sends a batch. Polled once here, as only that hands it to the connection: batches keep their order.
    /// Outside of tokio's budget, which would let a busy turn's batch return unsent and be overtaken by the next.
    pub(crate) fn send(&mut self, mut batch: Vec<(ReplyTo, Call)>, context: &mut Context<'_>) {
        while batch.len() > MAX_BATCH {
            let rest = batch.split_off(MAX_BATCH);
            self.send_batch(std::mem::replace(&mut batch, rest), context);
        }
        self.send_batch(batch, context);
    }

    fn send_batch(&mut self, batch: Vec<(ReplyTo, Call)>, context: &mut Context<'_>) {
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

    /// Those who have not heard the reply to their call yet.
    pub(crate) fn take_unanswered(&mut self) -> Vec<ReplyTo> {
        match self {
            Self::Connecting(_) => Vec::new(),
            Self::Up(_, under_way) => {
                under_way.drain(..).flat_map(|batch| batch.reply_to).collect()
            }
        }
    }

    /// The next news. Replies come in the order of the calls, so only the oldest batch is looked at.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<LinkEvent> {
        match self {
            Self::Connecting(attempt) => match attempt.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(LinkEvent::ConnectFailed(error)),
                Poll::Ready(Ok(connection)) => {
                    let bound = connection.bound();
                    *self = Self::Up(connection, VecDeque::new());
                    Poll::Ready(LinkEvent::Connected(bound))
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
