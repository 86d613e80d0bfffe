//! The dispatcher without an I/O thread.

use std::panic::Location;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::io::dispatcher::Dispatcher;
use crate::io::mailbox::{Mailbox, Message};
use crate::local::key_queue::{QueueContext, QueueTable};
use crate::local::queue::{AcquireParams, LeaseTerms};
use crate::protocol::Protocol;
use crate::protocol::timing::Timing;
use crate::types::owner_info::{CallSite, ProcessInfo};
use crate::types::time;

/// A dispatcher, and the mailbox that feeds it.
fn dispatcher() -> (Dispatcher, Mailbox, UnboundedReceiver<Message>) {
    let (sender, messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let ttl = Duration::from_secs(30);
    let protocol = Protocol::new(time::now(), Timing::default(), "inbox".to_owned(), ttl);
    (Dispatcher::new(protocol, mailbox.downgrade()), mailbox, messages)
}

#[test]
fn dropping_the_future_cancels_its_timer() {
    let (mut dispatcher, mailbox, mut messages) = dispatcher();
    let now = time::now();
    let mut take_in = |dispatcher: &mut Dispatcher| {
        while let Ok(message) = messages.try_recv() {
            dispatcher.message(now, message);
        }
    };
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        let mut timer = Box::pin(mailbox.sleep_until(Some(now.plus(Duration::from_secs(3_600)))));
        assert!(timer.as_mut().poll(&mut context).is_pending());
        take_in(&mut dispatcher);
        assert_eq!(dispatcher.timers.len(), 1);
        drop(timer);
        take_in(&mut dispatcher);
        assert_eq!(dispatcher.timers.len(), 0);
    }
}

#[test]
fn the_timers_of_a_queue_are_cancelled_with_it() {
    let (mut dispatcher, mailbox, mut messages) = dispatcher();
    let process = Arc::new(ProcessInfo::of_this_process());
    let queues =
        QueueTable::new(QueueContext { max_handoffs: 8, process, io: mailbox.io_handle() });
    let terms = LeaseTerms { ttl: Duration::from_secs(30), renew: true, max_hold: None };
    let (since, call_site) = (time::now(), CallSite::Line(Location::caller()));
    let params = AcquireParams {
        since,
        deadline: None,
        queue: true,
        alone: false,
        terms,
        linger: Duration::ZERO,
        call_site,
        label: None,
    };
    for number in 0..100 {
        let key = format!("key:{number}").into();
        let waits: Vec<_> = (0..3).map(|_| queues.join(&key, params)).collect();
        while let Ok(message) = messages.try_recv() {
            dispatcher.message(since, message);
        }
        assert!(!dispatcher.timers.is_empty(), "those behind the first wait");
        drop(waits);
        while let Ok(message) = messages.try_recv() {
            dispatcher.message(since, message);
        }
        assert_eq!(dispatcher.timers.len(), 0);
    }
}

#[test]
fn a_flush_is_answered_after_the_messages_it_caused() {
    let (mut dispatcher, _mailbox, mut messages) = dispatcher();
    let now = time::now();
    let (done, flushed) = sync_channel(1);
    dispatcher.message(now, Message::Flush(done));
    // The pass ends here if this was its last message.
    dispatcher.answer_flushes();
    assert!(flushed.try_recv().is_err(), "what was given up is still in the mailbox");
    dispatcher.message(now, messages.try_recv().expect("it comes back behind that"));
    dispatcher.answer_flushes();
    assert!(flushed.try_recv().is_ok());
}
