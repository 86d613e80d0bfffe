//! The server, proxies and workers of a schedule, controlled by the leading process.

mod inject;
mod lookup;
mod server;

use std::io;
use std::path::Path;
use std::time::Duration;

use testkit::FaultProxy;

use crate::schedule::Schedule;
use crate::workers::{Orders, Workers};

pub(crate) use lookup::hold_name;
pub use server::Server;

const POLL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct Cluster {
    pub(crate) server: Server,
    proxies: Vec<FaultProxy>,
    pub(crate) workers: Workers,
}

impl Cluster {
    /// Starts all processes. `program` is the path of this program.
    pub fn start(schedule: &Schedule, program: &Path) -> io::Result<Self> {
        let server = Server::start(schedule)?;
        let proxies = proxies(schedule, &server)?;
        let Schedule { seed, workload, ref settings, .. } = *schedule;
        let url = |number| proxies.get(number).map_or_else(|| server.url(), FaultProxy::url);
        let urls: Vec<_> = (0..schedule.processes as usize).map(url).collect();
        let orders = Orders { seed, workload, settings: settings.clone() };
        let workers = Workers::start(orders, &urls, program)?;
        Ok(Self { server, proxies, workers })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn jump_ahead(&self, span: Duration) {
        if let Some(clock) = self.server.clock() {
            clock.jump_ahead(span);
        }
    }
}

/// One proxy for each worker if the schedule has network faults; otherwise none, which is faster.
fn proxies(schedule: &Schedule, server: &Server) -> io::Result<Vec<FaultProxy>> {
    let wanted = schedule.faults.iter().any(|fault| fault.kind.is_of_the_network());
    let count = if wanted { schedule.processes } else { 0 };
    (0..count).map(|_| server.proxy()).collect()
}
