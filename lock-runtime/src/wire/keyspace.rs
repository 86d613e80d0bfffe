//! The names of our keys on the server.

use std::fmt::{self, Display};

use crate::types::request_id::RequestId;

/// In place of a process name: the channel for messages to all processes.
pub const EVERYONE: &str = "all";

/// All keys of this library under one prefix (`lock:` unless set otherwise).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    prefix: String,
}

impl Keyspace {
    /// A key space under `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The names of one lock's keys.
    #[must_use]
    pub fn names(&self, key: &str) -> KeyNames {
        let mut hold = String::with_capacity(self.prefix.len() + key.len() + 2);
        hold.push_str(&self.prefix);
        hold.push('{');
        hold.push_str(key);
        hold.push('}');
        KeyNames { hold }
    }

    /// The fencing counter of the server.
    #[must_use]
    pub fn fence(&self) -> String {
        format!("{}fence", self.prefix)
    }

    /// The requests that wait inside a section.
    #[must_use]
    pub fn blocked(&self, section: RequestId) -> impl Display {
        format!("{}blocked:{section}", self.prefix)
    }

    /// The channel on which one process receives notifications.
    #[must_use]
    pub fn inbox(&self, process: &str) -> String {
        format!("{}inbox:{process}", self.prefix)
    }
}

/// The keys of one lock; they share the hash tag `{key}`, hence one slot of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames {
    hold: String,
}

impl KeyNames {
    /// The hold: who has the lock.
    #[must_use]
    pub fn hold(&self) -> &str {
        &self.hold
    }

    /// The waiters in their order.
    #[must_use]
    pub fn queue(&self) -> impl Display {
        SubKey(&self.hold, "queue")
    }

    /// The data of each waiter.
    #[must_use]
    pub fn waiters(&self) -> impl Display {
        SubKey(&self.hold, "waiters")
    }

    /// Request ids whose late acquire must be refused.
    #[must_use]
    pub fn cancelled(&self) -> impl Display {
        SubKey(&self.hold, "cancelled")
    }
}

/// The name of a key beside the hold, formatted where it is needed.
struct SubKey<'a>(&'a str, &'static str);

impl Display for SubKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests;
