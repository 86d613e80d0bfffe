//! A future under a lock whose hold is lost: it is dropped where it last waited, inside of its
//! frame.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use distlock_runtime::verification::{Loss, Scoped, Section, current};
use shuttle::thread;

use crate::explore::{block_on, explore};
use crate::keeper::{Counts, hold};
use crate::process::call_site;

/// A body that would wait for ever ends with the hold.
pub fn a_body_that_waits_ends_with_its_hold() {
    explore(
        || {
            let counts = Arc::<Counts>::default();
            let (lease, share) = hold(&counts);
            let runs = thread::spawn(move || {
                let section = Section::outermost(None, 1, share, call_site());
                let heed = section.heed(false);
                let ended = block_on(Scoped::new(section, heed, waits()));
                assert!(ended.is_err_and(|loss| *loss == Loss::Gone));
                assert!(current().is_none(), "a frame was left in its thread");
            });
            lease.mark_lost(Loss::Gone);
            runs.join().expect("it ends with its hold");
            assert_eq!(counts.ends(), 1);
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

/// Dropped where code of the section's would be.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        assert!(current().is_some(), "a body is dropped outside of its frame");
    }
}
