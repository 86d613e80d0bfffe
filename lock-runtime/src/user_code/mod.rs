//! The one place that calls code of users: `tracing` subscribers, wakers, callbacks.
//!
//! Such code may panic, block, take locks of ours or write to a pipe that nobody reads. None of it may stop the I/O thread, on which
//! every hold of the process depends. So from the I/O thread it is called on helper threads, which are started when there is
//! something to do: one for events, one for wakers, one for callbacks. Elsewhere it runs on the thread of the caller, to whom it
//! belongs. A panic in it ends there. (In a program that is built with `panic = "abort"` it ends the program.)
//!
//! - Events: [`event!`] instead of `tracing`'s macros. The queue of the helper thread has a bound; what does not
//!   fit is dropped and counted, and a later event says how many were dropped.
//! - Wakers: code that keeps a waker keeps [`wakers::guarded`] of it, and drops it with nothing locked.
//! - Callbacks: [`call`].

pub(crate) mod helper;
#[cfg(test)]
mod tests;
pub(crate) mod wakers;

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::user_code::helper::Helpers;

thread_local! {
    /// Set on an I/O thread.
    static HELPERS: OnceCell<Helpers> = const { OnceCell::new() };
}

/// Has this thread call code of users on helper threads from now on, as long as it runs.
pub(crate) fn use_helper_threads() {
    HELPERS.with(|helpers| {
        helpers.get_or_init(Helpers::new);
    });
}

/// Runs code of users; a panic in it ends here, after its message was written.
fn guard(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}

/// Calls a callback of a user: on the thread for callbacks if this is an I/O thread, else here. Callbacks of one I/O thread run one
/// after the other, in the order of the calls.
#[allow(dead_code, reason = "for callbacks to come")]
pub(crate) fn call(callback: impl FnOnce() + Send + 'static) {
    off_this_thread(callback, Helpers::call);
}

/// Emits an event: see [`event!`].
pub(crate) fn emit(event: impl FnOnce() + Send + 'static) {
    off_this_thread(event, Helpers::emit);
}

fn off_this_thread<F: FnOnce() + Send + 'static>(
    code: F,
    post: impl FnOnce(&Helpers, Box<dyn FnOnce() + Send>),
) {
    let mut code = Some(code);
    // A thread that is past its thread-locals is no I/O thread any more.
    let _ = HELPERS.try_with(|helpers| {
        if let Some(helpers) = helpers.get()
            && let Some(code) = code.take()
        {
            post(helpers, Box::new(code));
        }
    });
    if let Some(code) = code {
        guard(code);
    }
}

/// An event of this level (`warn`, `info`, `debug`), with the fields and the message as `tracing`'s macros take them. They are moved
/// into a closure that may run later, on another thread.
macro_rules! event {
    ($level:ident, $($event:tt)+) => {
        if $crate::user_code::is_wanted($crate::user_code::level::$level) {
            $crate::user_code::emit(move || tracing::$level!(target: "distlock", $($event)+));
        }
    };
}

pub(crate) use event;

/// Whether a subscriber may want events of this level. It reads one number and calls no code of users.
pub(crate) fn is_wanted(level: tracing::level_filters::LevelFilter) -> bool {
    level <= tracing::level_filters::LevelFilter::current()
}

/// The levels by the names of `tracing`'s macros.
#[allow(non_upper_case_globals, reason = "they are found by the name of a macro")]
pub(crate) mod level {
    use tracing::level_filters::LevelFilter;

    pub(crate) const warn: LevelFilter = LevelFilter::WARN;
    pub(crate) const info: LevelFilter = LevelFilter::INFO;
    pub(crate) const debug: LevelFilter = LevelFilter::DEBUG;
}
