//! Heap of holds and of waiting calls, counted in a program of its own.

use std::process::Command;

use super::target::{Bound, Target};
use super::{Run, cargo};
use crate::bench::{self, PATIENCE};
use crate::process::Process;

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    run.bench.at("heap of holds and waiters");
    let (program, server) = (cargo::heap()?, bench::server()?);
    let (mut holds, mut waiters) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let mut command = Command::new(&program);
        command.arg(server.url());
        let [hold, waiter] = Process::start(command)?.numbers(PATIENCE)?;
        holds.push(hold);
        waiters.push(waiter);
    }
    Ok(vec![
        Target::alone("heap of each of 10,000 holds, bytes", holds, Bound::AtMost(1_200.0)),
        Target::alone("heap of each of 10,000 waiting calls, bytes", waiters, Bound::AtMost(500.0)),
    ])
}
