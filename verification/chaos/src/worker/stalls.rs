use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use checker::{EventKind, Nanos};

use crate::clock;
use crate::journal::Journal;

/// A thread that is ready and does not run for longer than this has stalled. All of its wait is
/// counted at the end of it, so more than a step in one step is a wait of more than a step, or the
/// end of one.
const STEP: Duration = Duration::from_millis(100);

/// Records when a thread of this process was ready and did not run, as long as the process lives.
pub(super) fn watch(journal: Arc<Journal>) {
    thread::spawn(move || {
        let mut known = BTreeMap::new();
        loop {
            let due = clock::now() + clock::nanos(STEP);
            clock::sleep_until(due);
            // A machine that stands still as a whole counts no waits.
            let late = clock::now().saturating_sub(due);
            // A kernel need not count them.
            let waits = waits().unwrap_or_default();
            let now = clock::now();
            let longest = late.max(longest_wait(&known, &waits));
            known = waits;
            if longest > clock::nanos(STEP) {
                journal.write_at(now, 0, EventKind::Stalled { since: now - longest });
            }
        }
    });
}

/// How much longer than before a thread has waited by now; they are listed by their numbers.
fn longest_wait(before: &BTreeMap<String, Nanos>, now: &BTreeMap<String, Nanos>) -> Nanos {
    let more =
        |(thread, wait): (&String, &Nanos)| wait - before.get(thread).unwrap_or(&0).min(wait);
    now.iter().map(more).max().unwrap_or(0)
}

/// How long each thread of this process has waited for a processor.
fn waits() -> io::Result<BTreeMap<String, Nanos>> {
    let mut waits = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?;
        // A thread may have ended.
        let Ok(counts) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let wait = counts.split_whitespace().nth(1).and_then(|wait| wait.parse().ok());
        waits.extend(wait.map(|wait| (thread.file_name().to_string_lossy().into_owned(), wait)));
    }
    Ok(waits)
}

#[cfg(test)]
mod tests;
