//! The watches of waits for deadlocks: on one server its link probes, in a cluster the waiting
//! party itself follows the edges from node to node.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::link::effect::{LookAnswer, WaitRegistration};
use crate::link::fleet::Fleet;
use crate::link::handle::LinkHandle;
use crate::link::links::Links;
use crate::protocol::cycle_watch::CycleWatch;
use crate::protocol::request::{CommandError, CommandId};
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::wire::reply::BlockedRequest;

/// A wait that deadlock detection watches until this is dropped.
pub(crate) enum DeadlockWatch {
    Server(ServerWatch),
    Cluster(Box<ClusterWatch>),
}

/// The link has the rest of it.
pub(crate) struct ServerWatch {
    receiver: oneshot::Receiver<Vec<BlockedRequest>>,
    id: RequestId,
    link: LinkHandle,
}

/// The commands of the watch go to the nodes of their slots. It makes no progress while it is not
/// polled, no more than the wait does.
pub(crate) struct ClusterWatch {
    fleet: Arc<Fleet>,
    wait: WaitRegistration,
    watch: CycleWatch,
    answers: Vec<(CommandId, oneshot::Receiver<LookAnswer>)>,
    alarm: Option<(Timestamp, Alarm)>,
}

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

impl DeadlockWatch {
    /// Watches a wait from now on.
    pub(crate) fn new(links: &Links, wait: WaitRegistration) -> Self {
        match links {
            Links::One(link) => {
                let (sender, receiver) = oneshot::channel();
                let (id, link) = (wait.id, link.clone());
                link.link().submit(|router, now| router.register_wait(now, wait, sender));
                Self::Server(ServerWatch { receiver, id, link })
            }
            Links::Cluster(fleet) => {
                let WaitRegistration { id, key, owner, .. } = &wait;
                let watch = CycleWatch::new(time::now(), *id, Arc::clone(key), owner.clone());
                let (fleet, answers) = (Arc::clone(fleet), Vec::new());
                Self::Cluster(Box::new(ClusterWatch { fleet, wait, watch, answers, alarm: None }))
            }
        }
    }
}

impl Future for DeadlockWatch {
    /// The cycle that this wait is part of. `None`: the manager was shut down.
    type Output = Option<Vec<BlockedRequest>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Server(ServerWatch { receiver, .. }) => {
                user_code::poll_guarded(Pin::new(receiver), context).map(Result::ok)
            }
            Self::Cluster(watch) => watch.poll(context),
        }
    }
}

impl ClusterWatch {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<BlockedRequest>>> {
        loop {
            if let Some(cycle) = self.take_answers(context) {
                return Poll::Ready(Some(cycle));
            }
            let now = time::now();
            if self.watch.next_tick().is_some_and(|due| due <= now) {
                self.watch.tick(now, || (self.wait.wait_state)());
            }
            let unanswered = self.answers.len();
            while let Some((number, command)) = self.watch.poll_command() {
                self.answers.push((number, self.fleet.look(command)));
            }
            if self.answers.len() == unanswered && !ready!(self.poll_alarm(context)) {
                return Poll::Ready(None);
            }
        }
    }

    fn take_answers(&mut self, context: &mut Context<'_>) -> Option<Vec<BlockedRequest>> {
        let mut arrived = Vec::new();
        self.answers.retain_mut(|(number, receiver)| {
            let answer = match user_code::poll_guarded(Pin::new(receiver), context) {
                Poll::Pending => return true,
                Poll::Ready(answer) => answer.unwrap_or(Err(CommandError::ConnectionLost)),
            };
            arrived.push((*number, answer));
            false
        });
        let now = time::now();
        arrived.into_iter().find_map(|(number, answer)| self.watch.answer(now, number, answer))
    }

    /// Ready when something is due; false after a shutdown.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let Some(due) = self.watch.next_tick() else { return Poll::Pending };
        let is_late = |(at, _): &mut (Timestamp, Alarm)| *at > due;
        self.alarm.take_if(is_late);
        let (at, alarm) = self.alarm.get_or_insert_with(|| {
            let first = self.fleet.first();
            (due, Box::pin(async move { first.sleep_until(Some(due)).await }))
        });
        ready!(alarm.as_mut().poll(context));
        let rang = time::now() >= *at;
        self.alarm = None;
        Poll::Ready(rang)
    }
}

impl Drop for ServerWatch {
    fn drop(&mut self) {
        self.link.link().submit(|router, _| router.unregister_wait(self.id));
    }
}

impl Drop for ClusterWatch {
    fn drop(&mut self) {
        for command in self.watch.end() {
            drop(self.fleet.look(command));
        }
    }
}
