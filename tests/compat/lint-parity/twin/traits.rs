//! Methods of traits and of their implementations.

use crate::Answer;
use async_trait::async_trait;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::future::Future;

pub trait Ledger {
    const LIMIT: u32 = 3;

    fn read(&self, account: String) -> Answer<u32>;

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn write(&self, account: String, mut amount: u32) -> Answer<u32> {
        let unused = 1;
        return Ok(amount + self.read(account)?);
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn ignores(&self, number: u32) -> Answer<u32> {
        Ok(1)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn constructs() -> Answer<Self>
    where
        Self: Sized + Default,
    {
        Ok(Self::default())
    }
}

#[derive(Default)]
pub struct Paper {
    entries: Vec<u32>,
}

impl Ledger for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn read(&self, account: String) -> Answer<u32> {
        let unused = account.len();
        Ok(self.entries[0])
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn ignores(&self, renamed: u32) -> Answer<u32> {
        Ok(1)
    }
}

pub trait Native {
    async fn poll_me(&self, number: u32) -> Answer<u32>;

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn poll_default(&self, number: u32) -> Answer<u32> {
        let unused = 1;
        return Ok(1);
    }

    fn poll_sent(&self, text: String) -> impl Future<Output = Answer<usize>> + Send;
}

impl Native for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn poll_me(&self, number: u32) -> Answer<u32> {
        let unused = 1;
        Ok(self.entries[0])
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn poll_sent(&self, text: String) -> Answer<usize> {
        let unused = self.entries.first().unwrap();
        Ok(text.len())
    }
}

/// The attribute inside what `async_trait` writes.
#[async_trait]
pub trait Inside {
    async fn run(&self, text: String) -> Answer<usize>;

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn run_default(&self, number: u32) -> Answer<u32> {
        let unused = 1;
        return Ok(1);
    }
}

#[async_trait]
impl Inside for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn run(&self, text: String) -> Answer<usize> {
        let unused = self.entries[0];
        let result = Ok(text.len());
        result
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn run_default(&self, number: u32) -> Answer<u32> {
        let parsed: u32 = "1".parse().unwrap();
        Ok(parsed + 1)
    }
}

#[async_trait(?Send)]
pub trait Alone {
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn run_alone(&mut self, numbers: &Vec<u32>) -> Answer<u32> {
        Ok(numbers.len() as u32)
    }
}

impl Clone for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn clone(&self) -> Self {
        Paper { entries: self.entries.clone() }
    }
}

impl Iterator for Paper {
    type Item = u32;

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn next(&mut self) -> Option<u32> {
        return self.entries.pop();
    }
}

impl PartialEq for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn eq(&self, other: &Self) -> bool {
        self == other
    }
}

impl Drop for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl std::fmt::Display for Paper {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "{}", self.to_string())
    }
}

impl From<Paper> for u32 {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    fn from(paper: Paper) -> u32 {
        paper.entries.first().copied().unwrap()
    }
}
