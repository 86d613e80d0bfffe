//! A link with its threads under a model checker, which also runs the server.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::modelled::Accept;
use crate::backend::server::Server;
use crate::link::Link;
use crate::link::handle::LinkHandle;
use crate::link::threads;
use crate::protocol::timing::Timing;

/// A link whose server is modelled.
#[derive(Clone)]
pub struct ModelledLink(Arc<Link>);

impl ModelledLink {
    /// A link, and the handle for a manager.
    pub(crate) fn start(
        timing: &Timing,
        inbox: String,
        ttl: Duration,
        accept: Accept,
    ) -> (Self, LinkHandle) {
        let handle = LinkHandle::new(timing.clone(), inbox, ttl).expect("signals are modelled");
        let link = Arc::clone(handle.link());
        threads::start(Arc::clone(&link), Some(Arc::new(Server::Modelled(accept))))
            .expect("threads are modelled");
        (Self(link), handle)
    }

    /// Whether the link can be used.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Locks the link, which its caller must not have locked.
    pub fn touch(&self) {
        self.0.locked(|_, _| ());
    }

    /// A bug.
    pub fn panic(&self) {
        self.0.panic();
    }

    /// A bug in what is done for callers.
    pub fn panic_in_an_effect(&self) {
        self.0.submit(|router, _| router.after(|| panic!("asked for by a model")));
    }

    /// Does something for callers, after what was asked before. `ask` runs with the link locked.
    pub fn after<A: FnOnce() + Send + 'static>(&self, ask: impl FnOnce() -> A) {
        self.0.submit(|router, _| router.after(ask()));
    }

    /// What the exit of the process does. Returns whether nothing is left unsent.
    pub fn exit(&self) -> bool {
        self.0.flush_for_exit()
    }
}
