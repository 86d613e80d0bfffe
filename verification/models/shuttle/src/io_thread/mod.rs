//! The mailbox of the runtime, with a model of the I/O thread and the server at its other end.

mod request_log;
mod server;

use distlock_runtime::verification::Mailbox;
pub(crate) use request_log::RequestLog;
pub(crate) use server::{Event, Server};

/// Waits until the I/O thread has done what was posted to it, as a process does when it exits.
pub(crate) fn flush(mailbox: &Mailbox) {
    // An error means that the thread has ended and has nothing left to do.
    let _ = mailbox.sender().flush().recv();
}
