//! Other work on the machine: a loop at the lowest priority.

use std::thread;

use clap::Args;

use super::{READY, command, say};

#[derive(Args, Clone, Debug)]
pub struct Busy {}

impl Busy {
    pub fn arguments() -> Vec<String> {
        vec!["busy".to_owned()]
    }

    /// Loops until the parent process closes the input, which it does however it ends.
    #[expect(clippy::unused_self, reason = "as the other roles")]
    pub fn run(&self) -> anyhow::Result<()> {
        rustix::process::nice(19)?;
        thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        say(READY)?;
        command()?;
        Ok(())
    }
}
