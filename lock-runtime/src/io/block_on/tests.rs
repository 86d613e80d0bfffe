//! Waiting on a thread that polls a task of tokio.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use crate::io::block_on::{block_on, block_on_with_spin};

const LIMIT: Duration = Duration::from_secs(20);

/// Waits for an answer that is there already, in a task that has used its budget up.
fn in_a_spent_task(wait: fn(oneshot::Receiver<u32>) -> u32) {
    let (done, ended) = mpsc::channel();
    // Left alone if it hangs.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let task = runtime.spawn(async move {
            while has_budget_remaining() {
                consume_budget().await;
            }
            let (slot, answer) = oneshot::channel();
            slot.send(7).expect("the receiver is there");
            wait(answer)
        });
        let _ = done.send(runtime.block_on(task).expect("it does not panic"));
    });
    assert_eq!(ended.recv_timeout(LIMIT), Ok(7));
}

#[test]
fn a_result_is_received_in_a_task_without_budget() {
    in_a_spent_task(|answer| block_on(answer).expect("it is there"));
    in_a_spent_task(|answer| block_on_with_spin(answer).expect("it is there"));
}
