//! Who this process is, and names that are the same when a schedule is run again.

use std::cell::Cell;

pub(crate) use of_process::ProcessInfo;

use crate::wire::Nonce;

#[path = "../../../lock-runtime/src/types/process_info.rs"]
mod of_process;

thread_local! {
    /// All threads of a model run on one of the machine's.
    static LAST: Cell<u128> = const { Cell::new(0) };
}

pub(crate) fn nonce() -> Nonce {
    LAST.set(LAST.get() + 1);
    Nonce::from_bits(LAST.get())
}

/// Begins anew, for another schedule.
pub(crate) fn restart() {
    LAST.set(0);
}
