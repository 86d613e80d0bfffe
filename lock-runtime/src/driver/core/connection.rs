//! What the connection brings, its beginning and its end.

use std::task::{Context, Poll};
use std::time::Duration;

use super::Core;
use crate::driver::InspectAnswer;
use crate::driver::link::{Asker, Link, News, pause};
use crate::protocol::{CallError, Failure};
use crate::store::{ConnectError, Hello, Push};
use crate::time;
use crate::wire::Reply;

impl Core {
    pub(super) fn poll_pushes(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(push)) = self.pushes.poll_recv(context) {
            any = true;
            match push {
                Push::Notice(notice) => self.machine.notice(time::now(), notice),
                Push::Disconnected(connection) if self.endpoint.is_current(connection) => {
                    self.disconnected("the server closed the connection".to_owned());
                }
                Push::Disconnected(_) => {}
            }
        }
        any
    }

    pub(super) fn poll_link(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(news) = self.link.poll(context) {
            any = true;
            match news {
                News::Connected => self.connected(),
                News::ConnectFailed(error) => self.connect_failed(error),
                News::Replies(replies, round_trip) => {
                    self.spin.learn(round_trip);
                    self.replies(replies);
                }
            }
        }
        any
    }

    fn replies(&mut self, replies: Vec<(Asker, Result<Reply, CallError>)>) {
        let now = time::now();
        let broken = replies.iter().any(|(_, reply)| matches!(reply, Err(CallError::Broken)));
        for (asker, reply) in replies {
            match asker {
                Asker::Machine(id) => self.machine.reply(now, id, reply),
                Asker::Inspector(slot) => {
                    let _ = slot.send(inspected(reply));
                }
            }
        }
        if broken {
            self.disconnected("the connection broke".to_owned());
        }
    }

    pub(super) fn connecting(&mut self) -> Link {
        let hello = Hello {
            inbox: self.inbox.clone(),
            floor: self.machine.floor(),
            quarantine: self.machine.quarantine(),
            acquainted: self.acquainted,
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

    /// Leaves the connection with all that was to be sent on it, and makes another.
    pub(super) fn reconnect(&mut self) {
        let unsent: Vec<_> = self.batch.drain(..).map(|(asker, _)| asker).collect();
        for asker in unsent.into_iter().chain(self.link.take_askers()) {
            // The protocol asks again by itself; whoever inspects would take silence for a shutdown.
            if let Asker::Inspector(slot) = asker {
                let _ = slot.send(inspected(Err(CallError::Broken)));
            }
        }
        self.link = self.connecting();
    }

    fn connected(&mut self) {
        self.failures = 0;
        self.acquainted = true;
        self.machine.connected(time::now());
    }

    fn connect_failed(&mut self, error: ConnectError) {
        self.failures += 1;
        for (_, slot) in self.inspections.drain(..) {
            let _ = slot.send(Err(error.clone().into()));
        }
        if self.failures == 1 {
            tracing::warn!(target: "distlock", error = %error.text, "cannot connect; trying again");
        }
        self.machine.connect_failed(time::now(), error.text, error.hopeless);
        self.link = self.connecting();
    }

    fn disconnected(&mut self, because: String) {
        if matches!(self.link, Link::Up(..)) {
            tracing::debug!(target: "distlock", because, "connection lost");
            self.machine.disconnected(time::now(), because);
            self.reconnect();
        }
    }
}

fn inspected(reply: Result<Reply, CallError>) -> InspectAnswer {
    match reply {
        Ok(Reply::Inspection(inspection)) => Ok(inspection),
        Ok(_) => Err(Failure::Refused("mixed up replies".to_owned())),
        Err(CallError::Refused(why) | CallError::Garbled(why)) => Err(Failure::Refused(why)),
        Err(CallError::NotNow(why)) => Err(Failure::Unavailable(why)),
        Err(CallError::Unloaded | CallError::Alone) => {
            Err(Failure::Unavailable("the server lost its scripts".to_owned()))
        }
        Err(CallError::Broken) => Err(Failure::Unavailable("the connection broke".to_owned())),
    }
}
