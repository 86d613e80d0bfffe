//! The desk without an I/O thread around it.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::Desk;
use crate::driver::mailbox::{Mailbox, Message};
use crate::protocol::{Machine, Timing};
use crate::time;

#[test]
fn a_flush_is_answered_behind_all_that_it_made_others_post() {
    let (sender, mut messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let now = time::now();
    let ttl = Duration::from_secs(30);
    let machine = Machine::new(now, Timing::default(), "inbox".to_owned(), ttl);
    let mut desk = Desk::new(machine, mailbox.downgrade());
    let (done, flushed) = sync_channel(1);
    desk.message(now, Message::Flush(done));
    // The turn ends here if this was as much as one takes in.
    desk.answer_flushes();
    assert!(flushed.try_recv().is_err(), "what was given up is still in the mailbox");
    desk.message(now, messages.try_recv().expect("it comes back behind that"));
    desk.answer_flushes();
    assert!(flushed.try_recv().is_ok());
}
