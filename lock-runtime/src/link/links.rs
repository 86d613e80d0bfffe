//! The links of a manager: one, or those of a cluster.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::backend::redis::address::NodeAddress;
use crate::link::effect::{DirectAnswer, KeyQuestion, LookAnswer};
use crate::link::fleet::{Fleet, watch};
use crate::link::handle::{Deployment, LinkHandle, Setup};
use crate::link::router::Router;
use crate::link::threads;
use crate::local::key_queue::IoHandle;
use crate::protocol::request::Failure;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::wire::command::Command;
use crate::wire::reply::LockState;

/// The links of a manager.
#[derive(Clone)]
pub(crate) enum Links {
    One(LinkHandle),
    Cluster(Arc<Fleet>),
}

impl Links {
    /// The link of this key, which may have another one later.
    pub(crate) fn of(&self, key: &str) -> Cow<'_, LinkHandle> {
        match self {
            Self::One(link) => Cow::Borrowed(link),
            Self::Cluster(fleet) => Cow::Owned(fleet.link_of(key)),
        }
    }

    /// The one that has the timers.
    pub(crate) fn first(&self) -> Cow<'_, LinkHandle> {
        match self {
            Self::One(link) => Cow::Borrowed(link),
            Self::Cluster(fleet) => Cow::Owned(fleet.first()),
        }
    }

    pub(crate) fn inspect(&self, key: &str) -> oneshot::Receiver<DirectAnswer<LockState>> {
        self.ask(key, KeyQuestion::Inspect)
    }

    pub(crate) fn force_release(
        &self,
        key: &str,
        fence: Fence,
    ) -> oneshot::Receiver<DirectAnswer<bool>> {
        self.ask(key, |sender| KeyQuestion::ForceRelease(fence, sender))
    }

    fn ask<T>(
        &self,
        key: &str,
        question: impl FnOnce(oneshot::Sender<T>) -> KeyQuestion,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let question = question(sender);
        let ask = |router: &mut Router, _| router.question(key.into(), question);
        match self {
            Self::One(link) => link.link().submit(ask),
            Self::Cluster(fleet) => fleet.submit(key, ask),
        };
        receiver
    }

    /// Reads which requests wait inside this section. Without an answer the channel is closed.
    pub(crate) fn look_inside(&self, section: RequestId) -> oneshot::Receiver<LookAnswer> {
        let command = Command::LookAtSection(section);
        match self {
            Self::One(link) => {
                let (sender, receiver) = oneshot::channel();
                link.link().look(command, sender);
                receiver
            }
            Self::Cluster(fleet) => fleet.look(command),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The links of all servers that have locks, in a cluster with their addresses.
    pub(crate) fn nodes(&self) -> Vec<(Option<NodeAddress>, LinkHandle)> {
        match self {
            Self::One(link) => vec![(None, link.clone())],
            Self::Cluster(fleet) => fleet.nodes(),
        }
    }

    /// As [`Fleet::discover`]; `None` where there is nothing to be found out.
    pub(crate) fn discover(&self) -> Option<oneshot::Receiver<Result<(), Failure>>> {
        match self {
            Self::One(_) => None,
            Self::Cluster(fleet) => Some(fleet.discover()),
        }
    }

    pub(crate) fn has_panicked(&self) -> bool {
        match self {
            Self::One(link) => link.has_panicked(),
            Self::Cluster(fleet) => fleet.links().iter().any(LinkHandle::has_panicked),
        }
    }

    /// No link is opened from now on. Returns those that are open.
    pub(crate) fn close(&self) -> Vec<LinkHandle> {
        match self {
            Self::One(link) => vec![link.clone()],
            Self::Cluster(fleet) => fleet.close(),
        }
    }

    /// Whether one command can acquire all these keys.
    pub(crate) fn has_in_one_slot(&self, keys: &[&str]) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(fleet) => fleet.has_in_one_slot(keys),
        }
    }

    pub(crate) fn io_handle(&self) -> Arc<dyn IoHandle> {
        match self {
            Self::One(link) => link.io_handle(),
            Self::Cluster(fleet) => Arc::clone(fleet) as Arc<dyn IoHandle>,
        }
    }
}

/// Makes a link and starts its keeper. It ends after a shutdown, or when the last handle is dropped
/// and everything is released.
pub(crate) fn start(setup: Setup) -> std::io::Result<Links> {
    Ok(match setup.deployment.clone() {
        Deployment::Server(server) => {
            let handle = setup.link()?;
            if server.is_local() {
                threads::connect_at_once(handle.link(), &server);
            }
            handle.keep(Some(server))?;
            Links::One(handle)
        }
        Deployment::Cluster(discovery, context) => {
            Links::Cluster(watch::start(setup, discovery, &context)?)
        }
    })
}
