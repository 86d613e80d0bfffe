//! The text of each error, on one line: the key, the reason and the next step.

use std::fmt::{Display, Formatter, Result};

use crate::error::{
    Busy, ClosedReason, CycleMember, DataLoss, Deadlock, DeadlockKind, ErrorDetail, LockError,
    NOT_RELEASED, NOT_RENEWED, RELEASED, TimedOut, UNCONFIRMED,
};
use crate::protocol::request::Loss;
use crate::types::text::{HumanDuration, printable};

#[cfg(test)]
mod tests;

impl Display for LockError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Busy(busy) => busy.fmt(f),
            Self::Lost(cause) => lost(cause, f),
            Self::Unavailable(cause) => {
                because(cause, f, "is unavailable", connection_advice(&cause.reason))
            }
            Self::Refused(cause) => {
                let what = if has_advice(&cause.reason) {
                    "cannot be acquired"
                } else {
                    "was refused by the server"
                };
                because(cause, f, what, server_advice(&cause.reason))
            }
            Self::NoReply(timeout) => write!(
                f,
                "lock '{}': no reply within {}; the code did not run, and a late grant is released \
                 in the background; try again, or allow a longer wait",
                printable(&timeout.key),
                HumanDuration(timeout.waited)
            ),
            Self::KeyConflict(conflict) => key_conflict(conflict, f),
            Self::DataLoss(loss) => loss.fmt(f),
            Self::Deadlock(deadlock) => deadlock.fmt(f),
            Self::Config(reason) => f.write_str(reason),
            Self::Closed(cause) => closed(cause, f),
        }
    }
}

fn because(cause: &ErrorDetail, f: &mut Formatter<'_>, what: &str, advice: &str) -> Result {
    write!(f, "lock '{}' {what}: {}", printable(&cause.key), cause.reason)?;
    if has_advice(&cause.reason) { Ok(()) } else { write!(f, "; {advice}") }
}

/// Whether a reason contains its own advice. The messages of servers have no semicolon.
fn has_advice(reason: &str) -> bool {
    reason.contains("; ")
}

fn closed(cause: &ErrorDetail, f: &mut Formatter<'_>) -> Result {
    let key = printable(&cause.key);
    let (what, advice) = if *cause.reason == *ClosedReason::Forked.text() {
        ("created before a fork", "create one in the child")
    } else if *cause.reason == *ClosedReason::Panicked.text() {
        (
            "whose I/O thread panicked",
            "create a new manager, and report the panic message of that thread",
        )
    } else {
        ("that was shut down", "create a new manager")
    };
    write!(f, "lock '{key}' was requested from a manager {what}; {advice}")
}

fn lost(cause: &ErrorDetail, f: &mut Formatter<'_>) -> Result {
    let is = |loss: Loss| *cause.reason == *loss.reason();
    let begins = |what: &str| cause.reason.starts_with(what);
    let (what, advice) = if *cause.reason == *RELEASED {
        ("is no longer held", "acquire it again, or keep it with `Hold::share`")
    } else if *cause.reason == *UNCONFIRMED {
        (
            "may have been lost",
            "check what was written; the lock is free after its ttl at the latest",
        )
    } else if begins(NOT_RELEASED) {
        return because(
            cause,
            f,
            "may still be held on the server until its ttl ends",
            server_advice(&cause.reason),
        );
    } else if begins(NOT_RENEWED) {
        return because(cause, f, "was lost while it was held", server_advice(&cause.reason));
    } else if is(Loss::MaxHold) {
        (
            "was lost while it was held",
            "check what was written, and do less under the lock or raise max_hold",
        )
    } else if is(Loss::Shutdown) {
        (
            "was lost while it was held",
            "check what was written, and shut down after the work is done",
        )
    } else {
        (
            "was lost while it was held",
            "check what was written, and let the storage reject old fencing tokens",
        )
    };
    because(cause, f, what, advice)
}

fn key_conflict(timeout: &TimedOut, f: &mut Formatter<'_>) -> Result {
    let key = printable(&timeout.key);
    write!(f, "lock '{key}': its Redis key exists but was not created by distlock")?;
    if !timeout.waited.is_zero() {
        write!(f, " (still present after {})", HumanDuration(timeout.waited))?;
    }
    f.write_str("; give the lock another key or the manager another prefix")
}

impl Display for Busy {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "lock '{}' is busy", printable(&self.key))?;
        if !self.waited.is_zero() {
            write!(f, " after {}", HumanDuration(self.waited))?;
        }
        match &self.holder {
            Some(holder) => write!(f, ": held by {holder}")?,
            None => f.write_str(": another call holds it or is ahead in the queue")?,
        }
        if self.ahead > 0 {
            write!(f, ", {} ahead of this call", self.ahead)?;
        }
        f.write_str("; try again later, or allow a longer wait")
    }
}

impl Display for DataLoss {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(
            f,
            "lock '{}' is not granted because the server lost its data and holds from before may \
             still be valid in their processes; try again ",
            printable(&self.key)
        )?;
        match self.left {
            Some(left) => write!(f, "in {}", HumanDuration(left))?,
            None => f.write_str("later")?,
        }
        f.write_str(
            ", or build the manager with `data_loss_grace(false)` where tests flush the server",
        )
    }
}

impl Display for Deadlock {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            DeadlockKind::Cycle => self.fmt_cycle(f),
            DeadlockKind::NotReentrant { holder } => write!(
                f,
                "lock '{}' is in a deadlock: {} requests it with `reenter = false` inside of \
                 {holder}, which holds it; call it outside of the section, or allow re-entry",
                printable(&self.key),
                printable(self.caller()),
                holder = printable(holder)
            ),
            DeadlockKind::BlocksHolder { holder } => write!(
                f,
                "lock '{}' is in a deadlock: {} blocks the thread that {holder}, which holds it, \
                 needs to continue; acquire it in a task, or on another thread",
                printable(&self.key),
                printable(self.caller())
            ),
        }
    }
}

impl Deadlock {
    /// The call that gets the error.
    fn caller(&self) -> &str {
        self.cycle.first().map_or("the call", |call| &call.function)
    }

    fn fmt_cycle(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "lock '{}' is in a deadlock: ", printable(&self.key))?;
        for (number, CycleMember { waits_for, function, host, pid }) in
            self.cycle.iter().enumerate()
        {
            if number > 0 {
                f.write_str(", which is held by ")?;
            }
            let [function, host, key] = [function, host, &**waits_for].map(printable);
            write!(f, "{function} in process {pid} on {host}, waiting for '{key}'")?;
        }
        f.write_str(
            ", which is held by the first; release the other locks and try again, or take these \
             keys in one order or as a list",
        )
    }
}

fn connection_advice(reason: &str) -> &'static str {
    let has = |code: &str| reason.contains(code);
    if has("ReadOnly") || has("MasterDown") {
        "connect to the primary, not to a replica"
    } else if has("BusyLoading") {
        "try again when the server has loaded its data"
    } else if has("\"BUSY\"") {
        "stop the script that blocks the server, with SCRIPT KILL"
    } else {
        "check that the Redis server runs and can be reached"
    }
}

fn server_advice(reason: &str) -> &'static str {
    let has = |code: &str| reason.contains(code);
    if has("OOM") {
        "free memory on the server or raise its maxmemory"
    } else if has("READONLY") || has("ReadOnly") {
        "connect to the primary, not to a replica"
    } else if has("NOPERM") || has("NoPerm") {
        "grant the user the rights to run scripts and to publish and subscribe under the prefix"
    } else if has("WRONGPASS") || has("NOAUTH") || has("AUTH") || has("Auth") {
        "check user and password in the URL"
    } else if has("MISCONF") || has("NOREPLICAS") {
        "fix the server's persistence or replication, without which it accepts no writes"
    } else {
        "see the server's message"
    }
}
