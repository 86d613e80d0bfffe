//! The longest lease, stored in the server's script cache, which a flush of the data does not
//! clear.
//!
//! Each step has a script that is never run; the highest one that is loaded is the longest lease. A
//! server that knows any of them has granted locks of this key space in this database. Other
//! tenants of the server have their own scripts.

use std::time::Duration;

use redis::Cmd;

use crate::backend::redis::command::sha_of;
use crate::wire::keyspace::{EVERYONE, Keyspace};
use crate::wire::max_lease::lease_steps;

pub(crate) struct Ladder {
    tenant: String,
    /// The channel on which all processes receive a new bound.
    everyone: String,
    /// The SHA-1 of each step, in order.
    shas: Vec<String>,
}

impl Ladder {
    pub(crate) fn new(space: &Keyspace, database: i64) -> Self {
        let tenant = sha_of(&format!("{} in database {database}", space.fence()));
        let shas = lease_steps().map(|step| sha_of(&text(&tenant, step))).collect();
        Self { tenant, everyone: space.inbox(EVERYONE), shas }
    }

    pub(crate) fn everyone(&self) -> &str {
        &self.everyone
    }

    /// Checks which steps are loaded.
    pub(crate) fn look(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("EXISTS").arg(&self.shas);
        command
    }

    /// The longest lease, from the reply to [`Self::look`]; zero if no step is loaded.
    pub(crate) fn highest(loaded: &[bool]) -> Duration {
        let mut steps = lease_steps().zip(loaded).rev();
        steps.find(|&(_, &loaded)| loaded).map(|(step, _)| step).unwrap_or_default()
    }

    /// Loads a step.
    pub(crate) fn load(&self, step: Duration) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(text(&self.tenant, step));
        command
    }

    /// Announces it to all processes.
    pub(crate) fn publish(&self, step: Duration) -> Cmd {
        let mut command = redis::cmd("PUBLISH");
        command.arg(&self.everyone).arg(format!("bound {}", step.as_millis()));
        command
    }
}

fn text(tenant: &str, step: Duration) -> String {
    format!("return '{tenant} {}'", step.as_millis())
}
