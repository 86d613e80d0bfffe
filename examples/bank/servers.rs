//! The servers of the accounts and of the locks, which are the same without `--sentinel`.

use std::fmt;
use std::time::Instant;

use anyhow::Context as _;
use testkit::Sentinels;

use crate::options::Options;
use crate::support::Server;

pub struct Servers {
    accounts: Server,
    /// A primary, its replicas and the Sentinels, which end with this value.
    sentinels: Option<Sentinels>,
}

impl Servers {
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let accounts = Server::find()?;
        let start = || Sentinels::start().context("redis-server is needed for --sentinel");
        let sentinels = options.sentinel.then(start).transpose()?;
        Ok(Self { accounts, sentinels })
    }

    pub fn accounts_url(&self) -> &str {
        self.accounts.url()
    }

    pub fn locks_url(&self) -> String {
        self.sentinels.as_ref().map_or_else(|| self.accounts.url().to_owned(), Sentinels::url)
    }

    /// Freezes the primary until the Sentinels have promoted another server. When it goes on it
    /// still takes writes, until the Sentinels reach it. Does nothing without Sentinels.
    pub fn fail_over(&self) {
        let Some(all) = &self.sentinels else { return };
        let old = all.primary();
        println!("failover      the primary, on port {}, is frozen", all.server(old).port());
        let start = Instant::now();
        all.server(old).pause();
        all.wait_for_another_primary(old);
        let (new, elapsed) = (all.primary(), start.elapsed());
        all.server(old).resume();
        println!(
            "              after {elapsed:.1?} the primary is on port {}; the old one goes on",
            all.server(new).port()
        );
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server: {}", self.accounts)?;
        match &self.sentinels {
            Some(_) => write!(f, "; locks: {}", self.locks_url()),
            None if self.accounts_url().starts_with("memory://") => {
                f.write_str("; groups of threads replace the processes")
            }
            None => Ok(()),
        }
    }
}
