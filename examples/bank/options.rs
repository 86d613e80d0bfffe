use std::fmt;
use std::time::Duration;

use anyhow::ensure;

/// Transfer money between accounts in Redis, from several processes at once
#[derive(Clone, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub struct Options {
    /// Processes that transfer at the same time
    #[arg(long, default_value_t = 4)]
    pub processes: usize,
    /// Workers in each process
    #[arg(long, default_value_t = 8)]
    pub workers: usize,
    /// How long the workers run
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Total number of accounts
    #[arg(long, default_value_t = 10)]
    pub accounts: usize,
    /// Branches of the bank; each has its own accounts and its own lock
    #[arg(long, default_value_t = 2)]
    pub branches: usize,
    /// Run the workers as tokio tasks instead of threads
    #[arg(long)]
    pub tasks: bool,
    /// Transfer without locks
    #[arg(long)]
    pub no_lock: bool,
    /// Take the locks on servers that Sentinels watch, and freeze their primary half way
    #[arg(long, conflicts_with = "no_lock")]
    pub sentinel: bool,
    /// Take the locks in a Redis Cluster, move their slots, and freeze the node that has them then
    #[arg(long, conflicts_with_all = ["no_lock", "sentinel"])]
    pub cluster: bool,
    /// The process that started this one
    #[arg(long, hide = true)]
    pub child_of: Option<u32>,
}

impl Options {
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.branches > 0, "a bank has at least one branch");
        ensure!(
            self.accounts >= 2 * self.branches,
            "a transfer needs two accounts: set --accounts to at least twice --branches"
        );
        Ok(())
    }

    /// Whether another server takes the place of the one with the locks.
    pub fn fails_over(&self) -> bool {
        self.sentinel || self.cluster
    }

    /// What does not divide by the number of branches is left out.
    pub fn accounts_of_branch(&self) -> usize {
        self.accounts / self.branches
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = if self.tasks { "tasks" } else { "threads" };
        let locks = if self.no_lock { "without locks" } else { "one lock per branch" };
        write!(
            f,
            "bank: processes {} x {workers} {}, accounts {}, branches {}, {locks}",
            self.processes, self.workers, self.accounts, self.branches
        )
    }
}
