//! The thread that finds out which nodes of a cluster have which slots.
//!
//! It asks at the start, when a node redirects a command, when a connection is lost or cannot be
//! made, and now and then. One discovery answers everything that was heard before it. While a node
//! cannot be reached, the thread goes on asking: a replica may take the place of that node. So it
//! does while a slot has no node.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::backend::ConnectError;
use crate::backend::redis::cluster::Discovery;
use crate::backend::redis::cluster::topology::Topology;
use crate::backend::socket::{Signal, wait};
use crate::link::fleet::{Fleet, Heard};
use crate::link::handle::Setup;
use crate::link::threads::pause;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::node::NodeContext;
use crate::types::environment::thread;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::user_code::metrics::LinkMetrics;

/// The longest that one discovery may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the nodes are asked without a reason.
const INTERVAL: Duration = Duration::from_secs(30);

/// Starts the links of a cluster.
pub(crate) fn start(
    setup: Setup,
    discovery: Arc<Discovery>,
    context: &NodeContext,
) -> io::Result<Arc<Fleet>> {
    let first = setup.link()?;
    first.keep(None)?;
    let resolver = Arc::clone(&discovery);
    let resolve = Box::new(move |text: &str, from: &_| resolver.address(text, from));
    let fleet = Fleet::new(context.space.clone(), first, Arc::clone(&context.living), resolve)?;
    let watch =
        TopologyWatch { setup, discovery, signal: fleet.signal(), fleet: Arc::downgrade(&fleet) };
    thread::Builder::new().name("distlock-cluster".to_owned()).spawn(move || {
        user_code::mark_io_thread();
        watch.run();
    })?;
    Ok(fleet)
}

struct TopologyWatch {
    setup: Setup,
    discovery: Arc<Discovery>,
    fleet: Weak<Fleet>,
    /// Wakes the thread, and is closed when it is to end.
    signal: Arc<Signal>,
}

impl TopologyWatch {
    fn run(&self) {
        let mut failures = 0;
        while !self.signal.is_closed() {
            let random = uuid::Uuid::new_v4().as_bytes()[0];
            let Some(is_settled) = self.look() else { return };
            let rest = if is_settled {
                failures = 0;
                // Processes that start together do not ask together for long.
                INTERVAL.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
            } else {
                failures += 1;
                pause(failures - 1, random)
            };
            self.sleep(time::now().plus(rest), is_settled);
        }
    }

    /// Waits until then, or until something is heard. Before all nodes are connected that is only a
    /// redirect: what is heard of a connection is no news.
    fn sleep(&self, until: Timestamp, is_settled: bool) {
        while time::now() < until && !self.signal.is_closed() {
            let Some(fleet) = self.fleet.upgrade() else { return };
            let wanted = fleet.has_heard(|heard| {
                let is_news = is_settled && heard.is_doubtful || heard.is_redirected;
                is_news || !heard.awaited.is_empty()
            });
            drop(fleet);
            if wanted {
                return;
            }
            wait(None, &self.signal, Some(until));
        }
    }

    /// Finds out, and moves what has to move. Returns whether all slots have nodes which are
    /// connected; `None` if the manager is gone.
    fn look(&self) -> Option<bool> {
        let fleet = self.fleet.upgrade()?;
        let heard = fleet.take_heard(time::now());
        // Those that others have named know best.
        let mut known: Vec<_> =
            heard.redirects.values().map(|redirect| redirect.to.clone()).collect();
        for address in fleet.addresses() {
            if !known.contains(&address) {
                known.push(address);
            }
        }
        // Not kept meanwhile: the manager may end.
        drop(fleet);
        let found = self.discovery.discover(&known, time::now().plus(PATIENCE), &self.signal);
        let fleet = self.fleet.upgrade()?;
        let applied = found.and_then(|found| self.apply(&fleet, found, &heard));
        let outcome = applied.as_ref().map_err(|error| error.kind.failure(error.text.clone()));
        let outcome = outcome.copied();
        for sender in heard.awaited {
            drop(sender.send(outcome.clone()));
        }
        Some(match applied {
            Ok(()) => fleet.is_connected(),
            Err(error) => {
                fleet.discovery_failed(&error);
                false
            }
        })
    }

    fn apply(
        &self,
        fleet: &Arc<Fleet>,
        mut found: Topology,
        heard: &Heard,
    ) -> Result<(), ConnectError> {
        let doubted = fleet.follow_redirects(&mut found, heard);
        let before = fleet.addresses();
        let applied = fleet.apply(&found, &heard.guests(), &doubted, &mut |node| {
            let metrics = LinkMetrics::of(&node.to_string());
            let link = Setup { metrics, ..self.setup.clone() }.link()?;
            let slot = found.slot_of(node);
            link.link().submit(|router, _| router.set_first_slot(slot));
            link.keep(Some(Arc::new(self.discovery.server_of(node))))?;
            Ok(link)
        });
        if fleet.addresses() != before {
            self.setup.changes.send_replace(());
        }
        applied.map_err(|error| ConnectError {
            text: format!("no link for a node of the cluster could be opened: {error}"),
            kind: ConnectErrorKind::Unreachable,
        })
    }
}
