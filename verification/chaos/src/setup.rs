//! The servers, proxies and workers of a schedule, controlled by the leading process.

mod inject;
mod lookup;
mod server;
mod servers;

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::schedule::Schedule;
use crate::workers::{Orders, Workers};

pub(crate) use lookup::hold_name;
pub(crate) use servers::Servers;

const POLL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) servers: Servers,
    pub(crate) workers: Workers,
}

impl Setup {
    /// Starts all processes, but those of a cluster that an earlier schedule has left. `program` is
    /// the path of this program.
    pub(crate) fn start(
        schedule: &Schedule,
        program: &Path,
        cluster: &mut Option<testkit::Cluster>,
    ) -> io::Result<Self> {
        let servers = Servers::start(schedule, cluster)?;
        let Schedule { seed, workload, ref settings, .. } = *schedule;
        let urls: Vec<_> = (0..schedule.processes as usize).map(|it| servers.url_for(it)).collect();
        let orders = Orders { seed, workload, settings: settings.clone() };
        let workers = Workers::start(orders, &urls, program)?;
        Ok(Self { servers, workers })
    }
}
