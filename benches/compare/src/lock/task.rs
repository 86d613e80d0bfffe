//! The locks as a task uses them.

use std::sync::Arc;

use anyhow::{bail, ensure};
use redis::Script;
use rlock::AcquireOptions;
use rlock::async_lock::{RLock, RLockGuard};

use super::raw::{self, RawConnection};
use super::{TTL, settings};
use crate::candidate::{Candidate, Library};

/// A lock that the tasks of a process use, each with a clone.
#[derive(Clone)]
pub enum TaskLock {
    Raw { connection: RawConnection, script: Arc<Script> },
    Distlock { candidate: Candidate, manager: distlock::LockManager },
    Rslock(rslock::LockManager),
    Rlock { manager: RLock, options: AcquireOptions },
}

pub enum HeldByTask {
    Raw(String),
    Distlock(distlock::LockGuard),
    Rslock(rslock::LockGuard),
    Rlock(RLockGuard),
}

impl TaskLock {
    pub async fn open(candidate: Candidate, url: &str) -> anyhow::Result<Self> {
        Ok(match candidate.library {
            Library::Raw => {
                let connection = RawConnection::open(url).await?;
                Self::Raw { connection, script: Arc::new(raw::script()) }
            }
            Library::Distlock => {
                Self::Distlock { candidate, manager: distlock::LockManager::connect(url)? }
            }
            Library::Rslock => Self::Rslock(settings::rslock(candidate, url)?),
            Library::Rlock => {
                let manager = RLock::new(url).await?;
                Self::Rlock { manager, options: settings::rlock(candidate) }
            }
            Library::RedisPy => bail!("{candidate} is not for tasks of Rust"),
        })
    }

    pub async fn acquire(&mut self, key: &str) -> anyhow::Result<HeldByTask> {
        Ok(match self {
            Self::Raw { connection, .. } => {
                let set: Option<String> = raw::acquire(key).query_async(connection).await?;
                ensure!(set.is_some(), "the raw baseline is not for shared keys: {key}");
                HeldByTask::Raw(key.to_owned())
            }
            Self::Distlock { candidate, manager } => {
                HeldByTask::Distlock(settings::distlock(*candidate, manager, key).acquire().await?)
            }
            Self::Rslock(manager) => HeldByTask::Rslock(manager.acquire(key, TTL).await?),
            Self::Rlock { manager, options } => {
                HeldByTask::Rlock(manager.acquire_mutex_with_options(key, options.clone()).await?)
            }
        })
    }

    /// Acquires and releases once, so that connections are open and scripts are loaded.
    pub async fn warm_up(&mut self, key: &str) -> anyhow::Result<()> {
        let held = self.acquire(key).await?;
        self.release(held).await
    }

    pub async fn release(&mut self, held: HeldByTask) -> anyhow::Result<()> {
        match (self, held) {
            (Self::Raw { connection, script }, HeldByTask::Raw(key)) => {
                let freed: u64 = raw::release(script, &key).invoke_async(connection).await?;
                ensure!(freed == 1, "the raw key was gone: {key}");
            }
            (_, HeldByTask::Raw(_)) => bail!("released by another lock"),
            (_, HeldByTask::Distlock(guard)) => guard.release().await?,
            (_, HeldByTask::Rslock(guard)) => guard.release().await,
            (_, HeldByTask::Rlock(mut guard)) => guard.release().await?,
        }
        Ok(())
    }
}

impl HeldByTask {
    pub fn fence(&self) -> Option<u64> {
        match self {
            Self::Distlock(guard) => Some(guard.fence().get()),
            Self::Raw(_) | Self::Rslock(_) | Self::Rlock(_) => None,
        }
    }
}
