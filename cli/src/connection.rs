//! Where the locks are.

use anyhow::Context as _;
use clap::Args;
use distlock::{Credentials, LockManager, LockManagerBuilder};

#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the locks are [default: `$REDIS_URL`, else `redis://127.0.0.1/`]
    #[arg(long, env = "DISTLOCK_URL", hide_env_values = true, global = true)]
    url: Option<String>,
    /// The prefix that the programs set, with which all names in Redis begin [default: `lock:`]
    #[arg(long, env = "DISTLOCK_PREFIX", hide_env_values = true, global = true)]
    prefix: Option<String>,
    /// The user of the Sentinels, if they have users of their own
    #[arg(
        long,
        env = "DISTLOCK_SENTINEL_USER",
        hide_env_values = true,
        value_name = "USER",
        default_value = "default",
        global = true
    )]
    sentinel_user: String,
    /// The password of the Sentinels, which is not that of the URL. Others on this host see the
    /// option, not the variable
    #[arg(
        long,
        env = "DISTLOCK_SENTINEL_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        global = true
    )]
    sentinel_password: Option<String>,
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
        let builder = LockManager::builder().url(self.url()).prefix(self.prefix());
        match self.sentinel_credentials() {
            Some((user, password)) => {
                builder.sentinel_credentials(Credentials::new(user, password))
            }
            None => builder,
        }
    }

    /// The user and the password of the Sentinels. A variable that is empty is not set.
    pub fn sentinel_credentials(&self) -> Option<(&str, &str)> {
        let password = self.sentinel_password.as_deref().filter(|text| !text.is_empty())?;
        Some((&self.sentinel_user, password))
    }

    /// Where the locks are.
    pub fn url(&self) -> String {
        // A variable that is empty is not set.
        let urls = [self.url.clone(), std::env::var("REDIS_URL").ok()];
        let url = urls.into_iter().flatten().find(|url| !url.is_empty());
        url.unwrap_or_else(|| "redis://127.0.0.1/".to_owned())
    }

    /// What the names of the locks begin with.
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("lock:")
    }
}
