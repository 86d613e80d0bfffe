//! The locks as a thread uses them.

use std::sync::Arc;

use anyhow::{bail, ensure};
use redis::{ConnectionLike, Script};
use rlock::AcquireOptions;
use rlock::sync_lock::{PoolOptions, RLock, RLockGuard};

use super::{raw, settings};
use crate::candidate::{Candidate, Library, Tuning};

/// A lock that one thread uses; a process makes one and each further worker's with
/// [`Self::another`].
pub enum ThreadLock {
    Raw { url: String, connection: Box<dyn ConnectionLike + Send>, script: Arc<Script> },
    Distlock { candidate: Candidate, manager: distlock::LockManager },
    Rlock { manager: RLock, options: AcquireOptions },
}

pub enum HeldByThread {
    Raw(String),
    Distlock(distlock::LockGuard),
    Rlock(RLockGuard),
}

impl ThreadLock {
    pub fn open(candidate: Candidate, url: &str, workers: usize) -> anyhow::Result<Self> {
        Ok(match candidate.library {
            Library::Raw => Self::raw(url.to_owned(), Arc::new(raw::script()))?,
            Library::Distlock => {
                Self::Distlock { candidate, manager: distlock::LockManager::connect(url)? }
            }
            Library::Rlock => {
                let pool = PoolOptions::new();
                let tuned = candidate.tuning == Tuning::Tuned;
                let pool = if tuned { pool.max_idle_connections(workers + 1) } else { pool };
                let manager = RLock::new_with_pool_options(url, pool)?;
                Self::Rlock { manager, options: settings::rlock(candidate) }
            }
            Library::Rslock | Library::RedisPy => bail!("{candidate} is not for threads of Rust"),
        })
    }

    fn raw(url: String, script: Arc<Script>) -> anyhow::Result<Self> {
        let connection = raw::connect(&url)?;
        Ok(Self::Raw { url, connection, script })
    }

    /// A lock for another thread of this process.
    pub fn another(&self) -> anyhow::Result<Self> {
        match self {
            Self::Raw { url, script, .. } => Self::raw(url.clone(), Arc::clone(script)),
            Self::Distlock { candidate, manager } => {
                Ok(Self::Distlock { candidate: *candidate, manager: manager.clone() })
            }
            Self::Rlock { manager, options } => {
                Ok(Self::Rlock { manager: manager.clone(), options: options.clone() })
            }
        }
    }

    pub fn acquire(&mut self, key: &str) -> anyhow::Result<HeldByThread> {
        Ok(match self {
            Self::Raw { connection, .. } => {
                let set: Option<String> = raw::acquire(key).query(connection.as_mut())?;
                ensure!(set.is_some(), "the raw baseline is not for shared keys: {key}");
                HeldByThread::Raw(key.to_owned())
            }
            Self::Distlock { candidate, manager } => HeldByThread::Distlock(
                settings::distlock(*candidate, manager, key).acquire_blocking()?,
            ),
            Self::Rlock { manager, options } => {
                HeldByThread::Rlock(manager.acquire_mutex_with_options(key, options.clone())?)
            }
        })
    }

    /// Acquires and releases once, so that connections are open and scripts are loaded.
    pub fn warm_up(&mut self, key: &str) -> anyhow::Result<()> {
        let held = self.acquire(key)?;
        self.release(held)
    }

    pub fn release(&mut self, held: HeldByThread) -> anyhow::Result<()> {
        match (self, held) {
            (Self::Raw { connection, script, .. }, HeldByThread::Raw(key)) => {
                let freed: u64 = raw::release(script, &key).invoke(connection.as_mut())?;
                ensure!(freed == 1, "the raw key was gone: {key}");
            }
            (_, HeldByThread::Raw(_)) => bail!("released by another lock"),
            (_, HeldByThread::Distlock(guard)) => guard.release_blocking()?,
            (_, HeldByThread::Rlock(mut guard)) => guard.release()?,
        }
        Ok(())
    }
}

impl HeldByThread {
    pub fn fence(&self) -> Option<u64> {
        match self {
            Self::Distlock(guard) => Some(guard.fence().get()),
            Self::Raw(_) | Self::Rlock(_) => None,
        }
    }
}
