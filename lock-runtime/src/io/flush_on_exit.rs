//! Waits for pending releases when the process exits.
//!
//! A release is sent without waiting for the reply. A hook that runs at exit (after `main` has
//! returned or panicked, and in `std::process::exit`) waits until the I/O threads have sent theirs.
//! They still run at that time. A thread that ends needs no such hook.

use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use crate::io::mailbox::MailboxSender;
use crate::user_code;

const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The I/O threads of this process, and of those it was forked from.
static SENDERS: Mutex<Vec<MailboxSender>> = Mutex::new(Vec::new());

thread_local! {
    static IS_IO_THREAD: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn mark_io_thread() {
    IS_IO_THREAD.with(|mark| mark.set(true));
    user_code::use_helper_threads();
}

/// Whether this thread must not wait for an I/O thread.
pub(crate) fn is_io_thread() -> bool {
    IS_IO_THREAD.try_with(Cell::get).unwrap_or(false)
}

/// Makes the exit of the process wait for the releases of this sender.
pub(crate) fn flush_on_exit(sender: &MailboxSender) {
    static HOOK: Once = Once::new();
    with_senders(|senders| {
        senders.retain(|known| !known.is_closed());
        senders.push(sender.clone());
    });
    HOOK.call_once(|| {
        shutdown_hooks::add_shutdown_hook(at_exit);
    });
}

extern "C" fn at_exit() {
    // A panic must not cross the C frame.
    let _ = catch_unwind(|| {
        if !is_io_thread() {
            flush_all();
        }
    });
}

fn flush_all() {
    let end = Instant::now() + FLUSH_TIMEOUT;
    let mut flushes = Vec::new();
    with_senders(|senders| flushes.extend(senders.iter().map(MailboxSender::flush)));
    for flushed in flushes {
        let _ = flushed.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Gives up after a while: in a fork, a thread that does not exist there may hold the lock.
fn with_senders(mut use_them: impl FnMut(&mut Vec<MailboxSender>)) {
    let end = Instant::now() + FLUSH_TIMEOUT;
    while Instant::now() < end {
        if let Ok(mut senders) = SENDERS.try_lock() {
            return use_them(&mut senders);
        }
        thread::yield_now();
    }
}
