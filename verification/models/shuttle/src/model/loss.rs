//! A future whose hold is lost is dropped at its last await point, inside its frame.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use distlock_runtime::verification::{InContext, Loss, OwnerScope, Section, current};
use shuttle::thread;

use crate::counting_backend::{CountingBackend, hold};
use crate::explore::{block_on, explore};
use crate::process::call_site;

/// A body that would wait forever ends when the hold is lost.
pub fn a_waiting_body_ends_when_its_hold_is_lost() {
    explore(
        || {
            let backend = Arc::<CountingBackend>::default();
            let (lease, share) = hold(&backend);
            let runs = thread::spawn(move || {
                let section = Section::outermost(None, 1, share, call_site());
                let on_loss = section.on_loss(false);
                let scope = OwnerScope::new(section, on_loss);
                let ended = block_on(InContext::new(scope, waits()));
                assert!(ended.is_err_and(|loss| *loss == Loss::NotOnServer));
                assert!(current().is_none(), "a frame stayed in the thread-local");
            });
            lease.mark_lost(Loss::NotOnServer);
            runs.join().expect("it ends with its hold");
            assert_eq!(backend.releases(), 1);
        },
        800,
    );
}

async fn waits() {
    let _inside = Inside;
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        context.waker().wake_by_ref();
        if polls < 2 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    pending::<()>().await;
}

/// Checks that it is dropped inside the section.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        assert!(current().is_some(), "a body is dropped outside its frame");
    }
}
