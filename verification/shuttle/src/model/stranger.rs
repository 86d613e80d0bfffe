//! A task that an executor runs on top of a holder's stack: it waits in line, as a caller elsewhere
//! does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use distlock_runtime::verification::{TaskId, current};

use crate::driver::Event;
use crate::environment;
use crate::explore::{block_on, explore};
use crate::process::{Process, params};

const EVENTS: &[Event] = &[Event::Extend, Event::WaitFor, Event::Lose];
const STRANGER: TaskId = 7;

/// It has no hold around it on the holder's stack, and its turn comes when the holder has left.
pub fn a_task_on_a_holder_s_stack_waits_in_line() {
    explore(|| Process::run(EVENTS, &[runs_another, waits]), 600);
}

fn runs_another(process: &Process) {
    let Some(mut section) = process.enter(params()) else { return };
    let frame = Arc::clone(section.frame());
    let stranger = section.run(|| {
        let mut stranger = environment::run_as(STRANGER, || {
            assert!(current().is_none(), "a hold is around a task that its holder did not call");
            process.join(params())
        });
        if let Some(asked) = &mut stranger {
            let mut context = Context::from_waker(Waker::noop());
            let polled = environment::run_as(STRANGER, || Pin::new(asked).poll(&mut context));
            assert!(polled.is_pending() || frame.lease().reported_loss().is_some());
        }
        let here = current().expect("the section is around its own code");
        assert!(Arc::ptr_eq(&here, &frame));
        stranger
    });
    process.leave(section);
    let asked =
        stranger.and_then(|asked| environment::run_as(STRANGER, || process.begin(block_on(asked))));
    if let Some(section) = asked {
        process.leave(section);
    }
}

fn waits(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
