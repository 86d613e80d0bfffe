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

/// How long the library may take to end its threads.
const LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// What the names of all threads of the library begin with. Until a thread has taken its name it
/// has that of the one that started it.
const THREADS: &str = "distlock-";

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
        // One look decides: other threads of this program open files now and then.
        let (threads, fds) = loop {
            let (threads, fds) = (own_threads()?, fds()?.saturating_sub(self.fds));
            if (threads, fds) == (0, 0) || clock::now() >= limit {
                break (threads, fds);
            }
            thread::sleep(POLL);
        };
        let found = [("threads in a worker", threads), ("file descriptors in a worker", fds)];
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

fn own_threads() -> io::Result<usize> {
    let names = fs::read_dir("/proc/self/task")?.filter_map(Result::ok);
    let names = names.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    Ok(names.filter(|name| name.starts_with(THREADS)).count())
}
