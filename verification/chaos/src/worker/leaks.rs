//! Checks that the library leaves nothing behind in its process.

use std::fs;
use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use checker::EventKind;
use testkit::Resources;

use super::Worker;
use crate::clock;

/// How long the library may take to end its thread.
const LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
const IO_THREAD: &str = "distlock-io";

/// The resources of the process before the library was used.
pub(super) struct Baseline {
    fds: usize,
}

impl Baseline {
    pub(super) fn now() -> io::Result<Self> {
        // The first runtime of a process opens two sockets for signals that tokio never closes, in
        // builds where any crate enables signals.
        drop(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
        Ok(Self { fds: fds()? })
    }

    /// Drops the library and records the resources that remain.
    pub(super) fn compare(self, worker: Worker) -> io::Result<()> {
        let Worker { locks, journal, register, .. } = worker;
        drop((locks, register));
        let limit = clock::now() + clock::nanos(LIMIT);
        while (io_threads()? > 0 || fds()? > self.fds) && clock::now() < limit {
            thread::sleep(POLL);
        }
        let found = [
            ("threads in a worker", io_threads()?),
            ("file descriptors in a worker", fds()?.saturating_sub(self.fds)),
        ];
        for (kind, count) in found {
            let (kind, count) = (kind.to_owned(), u64::try_from(count).expect("a few"));
            journal.write(0, EventKind::Leak { resource: kind, count });
        }
        Ok(())
    }
}

fn fds() -> io::Result<usize> {
    Ok(Resources::of(process::id())?.fds)
}

fn io_threads() -> io::Result<usize> {
    let names = fs::read_dir("/proc/self/task")?.filter_map(Result::ok);
    let names = names.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    Ok(names.filter(|name| name.trim() == IO_THREAD).count())
}
