//! Writes what is left in send buffers when the process exits.
//!
//! A release is written without waiting for the reply, and mostly before the call that released
//! returns. What a busy link has left to its reader, a hook writes that runs at exit: after `main`
//! has returned or panicked, and in `std::process::exit`. It also gives up leases that linger.

#[cfg(test)]
mod tests;

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::link::Link;

/// For a socket that takes no more, or a connection that is being made.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The links of this process, and of those it was forked from.
static LINKS: Mutex<Vec<Weak<Link>>> = Mutex::new(Vec::new());

/// Has the exit of the process write what is left in the send buffer of this link.
pub(crate) fn flush_at_exit(link: &Arc<Link>) {
    static HOOK: Once = Once::new();
    let mut links = LINKS.lock().unwrap_or_else(PoisonError::into_inner);
    links.retain(|known| known.strong_count() > 0);
    links.push(Arc::downgrade(link));
    drop(links);
    HOOK.call_once(|| {
        shutdown_hooks::add_shutdown_hook(at_exit);
    });
}

extern "C" fn at_exit() {
    // A panic must not cross the C frame.
    let _ = catch_unwind(flush_all);
}

fn flush_all() {
    let end = Instant::now() + FLUSH_TIMEOUT;
    // In a fork, a thread that does not exist there may hold this lock.
    let links = loop {
        match LINKS.try_lock() {
            Ok(links) => break links.clone(),
            Err(_) if Instant::now() > end => return,
            Err(_) => thread::yield_now(),
        }
    };
    flush(&links.iter().filter_map(Weak::upgrade).collect::<Vec<_>>(), end);
}

fn flush(links: &[Arc<Link>], end: Instant) {
    let links = || links.iter().filter(|link| !link.is_forked());
    for link in links() {
        let queues = link.locked(|state, _| state.router().queues()).unwrap_or_default();
        for queue in queues {
            queue.release_idle();
        }
    }
    for link in links() {
        while !link.flush_for_exit() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Link {
    /// Writes what is left. Returns whether that was all.
    pub(super) fn flush_for_exit(&self) -> bool {
        let flushed = self.locked(|state, now| {
            state.receive(now);
            state.settle(now);
            state.flush(now);
            let ends = state.router().protocol().has_unsent_release();
            !state.has_unsent() && !ends
        });
        flushed.unwrap_or(true)
    }
}
