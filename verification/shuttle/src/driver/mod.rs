//! The way to the I/O thread as it is in the runtime, and a model in the place of the loop at its
//! end.

mod ledger;
mod server;

use distlock_runtime::verification::Mailbox;
pub(crate) use ledger::Ledger;
pub(crate) use server::{Event, Server};

/// Waits until all is done that was left to the I/O thread, as the end of a process does.
pub(crate) fn flush(mailbox: &Mailbox) {
    // A thread that has ended has done it.
    let _ = mailbox.sender().flush().recv();
}
