//! Where the locks are.

use anyhow::Context as _;
use clap::Args;
use distlock::{LockManager, LockManagerBuilder};

#[derive(Args, Debug)]
pub struct Connection {
    /// Where the locks are [default: `$REDIS_URL`, else `redis://127.0.0.1/`]
    #[arg(long, env = "DISTLOCK_URL", hide_env_values = true, global = true)]
    url: Option<String>,
    /// What the names of the locks begin with in Redis
    #[arg(long, env = "DISTLOCK_PREFIX", global = true)]
    prefix: Option<String>,
}

impl Connection {
    /// `label`: what others see of the holds of this process.
    pub fn open(&self, label: Option<&str>) -> anyhow::Result<LockManager> {
        let mut builder = self.builder();
        if let Some(label) = label {
            builder = builder.label(label);
        }
        builder.build().context("the locks cannot be reached; check --url")
    }

    pub fn builder(&self) -> LockManagerBuilder {
        LockManager::builder().url(self.url()).prefix(self.prefix())
    }

    /// Where the locks are.
    pub fn url(&self) -> String {
        let url = self.url.clone().or_else(|| std::env::var("REDIS_URL").ok());
        url.unwrap_or_else(|| "redis://127.0.0.1/".to_owned())
    }

    /// What the names of the locks begin with.
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("lock:")
    }
}
