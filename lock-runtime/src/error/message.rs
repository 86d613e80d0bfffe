//! The text of each error, on one line: the key, the reason and the next step.

use std::fmt::{self, Display, Formatter, Result};

use crate::error::{
    Busy, Cause, ClosedReason, CycleMember, DataLoss, Deadlock, DeadlockKind, ErrorDetail,
    LockError, Operation, TimedOut,
};
use crate::protocol::request::Loss;
use crate::types::text::{HumanDuration, printable};

#[cfg(test)]
mod tests;

impl Display for LockError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Busy(busy) => busy.fmt(f),
            Self::Lost(detail)
            | Self::Unavailable(detail)
            | Self::Refused(detail)
            | Self::Closed(detail) => fmt_detail(detail, f),
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
        }
    }
}

/// A `main` that returns the error prints this form, so it is for people too.
impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (variant, fields): (_, &dyn fmt::Debug) = match self {
            Self::Busy(busy) => ("Busy", busy),
            Self::Lost(detail) => ("Lost", detail),
            Self::Unavailable(detail) => ("Unavailable", detail),
            Self::NoReply(timeout) => ("NoReply", timeout),
            Self::Refused(detail) => ("Refused", detail),
            Self::KeyConflict(conflict) => ("KeyConflict", conflict),
            Self::DataLoss(loss) => ("DataLoss", loss),
            Self::Deadlock(deadlock) => ("Deadlock", deadlock),
            Self::Config(reason) => ("Config", reason),
            Self::Closed(detail) => ("Closed", detail),
        };
        if f.alternate() {
            f.debug_tuple(variant).field(fields).finish()
        } else {
            write!(f, "{variant}: {self}")
        }
    }
}

fn fmt_detail(detail: &ErrorDetail, f: &mut Formatter<'_>) -> Result {
    let ErrorDetail { key, reason, cause, operation } = detail;
    let key = printable(key);
    match operation {
        Operation::List => write!(f, "the locks with the prefix '{key}' ")?,
        _ => write!(f, "lock '{key}' ")?,
    }
    let (what, advice) = what_and_advice(cause, reason);
    let failed = match (operation, cause) {
        (Operation::Acquire, Cause::Closed(_)) => "was requested from",
        (Operation::Acquire, _) => what,
        (Operation::Inspect, _) => "cannot be inspected",
        // It may have been released without an answer.
        (Operation::ForceRelease, Cause::Unavailable) => "may still be held",
        (Operation::ForceRelease, _) => "cannot be released",
        (Operation::List, _) => "cannot be listed",
    };
    match (operation, cause) {
        (Operation::Acquire, Cause::Closed(_)) => write!(f, "{failed} {what}")?,
        (_, Cause::Closed(_)) => write!(f, "{failed} by {what}")?,
        _ => write!(f, "{failed}: {reason}")?,
    }
    if matches!(cause, Cause::Lost(Loss::Refused(_))) {
        f.write_str("; check what was written")?;
    }
    if has_advice(reason) { Ok(()) } else { write!(f, "; {advice}") }
}

/// Whether a reason contains its own advice. The messages of servers have no semicolon.
fn has_advice(reason: &str) -> bool {
    reason.contains("; ")
}

fn what_and_advice(cause: &Cause, reason: &str) -> (&'static str, &'static str) {
    const LOST: &str = "was lost while it was held";
    match cause {
        Cause::Unavailable => ("is unavailable", connection_advice(reason)),
        Cause::Refused if has_advice(reason) => ("cannot be acquired", ""),
        Cause::Refused => ("was refused by the server", server_advice(reason)),
        Cause::Released => ("is no longer held", "acquire it again, or keep it with `Hold::share`"),
        Cause::Unconfirmed => (
            "may have been lost",
            "check what was written; the lock is free after its ttl at the latest",
        ),
        Cause::NotReleased => {
            ("may still be held on the server until its ttl ends", server_advice(reason))
        }
        Cause::Lost(Loss::Refused(_)) => (LOST, server_advice(reason)),
        Cause::Lost(Loss::MaxHold) => {
            (LOST, "check what was written, and do less under the lock or raise max_hold")
        }
        Cause::Lost(Loss::Shutdown) => {
            (LOST, "check what was written, and shut down after the work is done")
        }
        Cause::Lost(Loss::ForceReleased) => {
            (LOST, "check what was written, and find out why the hold was taken for stuck")
        }
        Cause::Lost(Loss::Expired | Loss::NotOnServer | Loss::Panicked) => {
            (LOST, "check what was written, and let the storage reject old fencing tokens")
        }
        Cause::Closed(ClosedReason::ShutDown) => {
            ("a manager that was shut down", "create a new manager")
        }
        Cause::Closed(ClosedReason::Panicked) => (
            "a manager that has stopped after a panic",
            "create a new manager, and report the panic message",
        ),
        Cause::Closed(ClosedReason::Forked) => {
            ("a manager created before a fork", "create one in the child")
        }
    }
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
            Some(holder) if holder.kept => {
                f.write_str(": kept until its min_hold is over")?;
                if let Some(left) = self.left {
                    write!(f, " in {}", HumanDuration(left))?;
                }
                write!(f, ", released by {holder}")?;
            }
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
    const ADVICE: &[(&str, &str)] = &[
        ("READONLY MASTERDOWN UNBLOCKED", PRIMARY),
        ("OOM", MEMORY),
        ("MISCONF", DISK),
        ("NOREPLICAS", REPLICAS),
        ("LOADING", "try again when the server has loaded its data"),
        ("BUSY", "stop the script that blocks the server, with SCRIPT KILL"),
        ("NOSCRIPT", "let the server keep scripts, and do not call SCRIPT FLUSH"),
        ("CLUSTERDOWN TRYAGAIN", CLUSTER),
    ];
    advice(ADVICE, reason).unwrap_or("check that the Redis server runs and can be reached")
}

fn server_advice(reason: &str) -> &'static str {
    const RIGHTS: &str =
        "grant the user the rights to run scripts and to publish and subscribe under the prefix";
    const ADVICE: &[(&str, &str)] = &[
        ("'scan'", "grant the user `+scan`, which lists need and locks do not"),
        ("OOM", MEMORY),
        ("MOVED ASK CROSSSLOT", CLUSTER),
        ("READONLY", PRIMARY),
        ("NOPERM", RIGHTS),
        ("WRONGPASS AUTH Auth", "check user and password in the URL"),
        ("MISCONF", DISK),
        ("NOREPLICAS", REPLICAS),
        ("confirmed", "check that the replicas run and keep up, or ask for fewer"),
        ("DB", "name one of the databases that the server has"),
    ];
    advice(ADVICE, reason).unwrap_or("see the server's message")
}

const PRIMARY: &str = "connect to the primary, not to a replica";

const MEMORY: &str = "free memory on the server or raise its maxmemory";

const DISK: &str = "see in the server's log why it cannot save its data, usually a full disk";

const REPLICAS: &str = "bring the server's replicas back, or lower its min-replicas-to-write";

const CLUSTER: &str = "write redis-cluster:// in place of redis://";

/// The advice for the first of these error codes, separated by spaces, that the text contains.
fn advice(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    let applies = |codes: &str| codes.split(' ').any(|code| text.contains(code));
    table.iter().find(|(codes, _)| applies(codes)).map(|(_, advice)| *advice)
}
