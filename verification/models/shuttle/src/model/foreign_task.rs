//! A task that an executor polls on the stack of a holder waits in the queue, as any other caller
//! does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use distlock_runtime::verification::{TaskId, current};

use crate::environment;
use crate::explore::{block_on, explore};
use crate::process::{Process, params};
use crate::server::Event;

const EVENTS: &[Event] = &[Event::Extend, Event::Contend, Event::Lose];
const FOREIGN_TASK: TaskId = 7;

/// It does not re-enter the hold of the stack below, and is granted the lock after the holder
/// leaves.
pub fn a_task_on_the_holders_stack_waits_in_the_queue() {
    explore(|| Process::run(EVENTS, &[runs_another, waits]), 600);
}

fn runs_another(process: &Process) {
    let Some(mut section) = process.enter(params()) else { return };
    let frame = Arc::clone(section.frame());
    let foreign = section.run(|| {
        let mut foreign = environment::run_as(FOREIGN_TASK, || {
            assert!(current().is_none(), "a task that the holder did not call sees its hold");
            process.join(params())
        });
        let mut context = Context::from_waker(Waker::noop());
        let polled =
            environment::run_as(FOREIGN_TASK, || Pin::new(&mut foreign).poll(&mut context));
        assert!(polled.is_pending() || frame.lease.reported_loss().is_some());
        let here = current().expect("the section encloses its own code");
        assert!(Arc::ptr_eq(&here, &frame));
        foreign
    });
    process.leave(section);
    let asked = environment::run_as(FOREIGN_TASK, || process.begin(block_on(foreign)));
    if let Some(section) = asked {
        process.leave(section);
    }
}

fn waits(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
