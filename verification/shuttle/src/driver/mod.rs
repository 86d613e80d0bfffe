//! The way to the I/O thread as it is in the runtime, and a model in the place of the loop at its end.

mod ledger;
mod server;

#[path = "../../../../lock-runtime/src/io/asked.rs"]
mod asked;
#[path = "../../../../lock-runtime/src/io/mailbox.rs"]
mod mailbox;
#[path = "../../../../lock-runtime/src/io/wait.rs"]
mod wait;

pub(crate) use ledger::Ledger;
pub(crate) use mailbox::Mailbox;
pub(crate) use server::{Event, Server};
pub(crate) use wait::{block_briefly_on, block_on};

/// Waits until all is done that was left to the I/O thread, as the end of a process does.
pub(crate) fn flush(mailbox: &Mailbox) {
    // A thread that has ended has done it.
    let _ = mailbox.line().flush().recv();
}
