//! Which core a process runs on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the processes of a measurement run.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    pub name: &'static str,
    pub client: usize,
    pub server: usize,
}

impl Placement {
    /// Client and server on one core, and on two if this process may use two.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let cores = cores()?;
        let placements = [("same core", cores.first()), ("different cores", cores.get(1))];
        let placements = placements.into_iter().filter_map(|(name, server)| {
            Some(Self { name, client: *cores.first()?, server: *server? })
        });
        Ok(placements.collect())
    }
}

/// The cores that this process may use.
pub fn cores() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Runs `start` on this core. The processes and threads that it starts stay there.
pub fn on_core<T>(core: usize, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    started
}
