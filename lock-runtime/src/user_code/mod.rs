//! Calls code of users: `tracing` subscribers, wakers and callbacks. No other module does.
//!
//! Such code may panic, block, take the library's locks or write to a full pipe. It must not stop
//! the I/O thread, which renews every lease of the process. So the I/O thread has it called on
//! helper threads, started on first use: one for events, one for wakers, one for callbacks. On any
//! other thread it runs directly: that is the user's own thread. Panics are caught. (In a program
//! built with `panic = "abort"` they end the program.)
//!
//! - Events: use [`event!`], not `tracing`'s macros. The queue of the helper thread is bounded.
//!   Events that do not fit are dropped and counted, and a later event reports how many.
//! - Wakers: store [`wakers::guarded`] of a waker, and drop it with nothing locked.
//! - Callbacks: use [`call`].

pub(crate) mod helper;
#[cfg(test)]
mod tests;
pub(crate) mod wakers;

use std::cell::OnceCell;

use crate::user_code::helper::{Helpers, catch_panic};

thread_local! {
    /// Set on an I/O thread.
    static HELPERS: OnceCell<Helpers> = const { OnceCell::new() };
}

/// Makes this thread run code of users on helper threads.
pub(crate) fn use_helper_threads() {
    HELPERS.with(|helpers| {
        helpers.get_or_init(Helpers::new);
    });
}

/// Runs a user's callback: on the helper thread for callbacks if this is an I/O thread, else here.
/// Callbacks of one I/O thread run one at a time, in order.
#[allow(dead_code, reason = "for callbacks to come")]
pub(crate) fn call(callback: impl FnOnce() + Send + 'static) {
    off_this_thread(callback, Helpers::call);
}

/// As [`event!`].
pub(crate) fn emit(event: impl FnOnce() + Send + 'static) {
    off_this_thread(event, Helpers::emit);
}

fn off_this_thread<F: FnOnce() + Send + 'static>(
    code: F,
    post: impl FnOnce(&Helpers, Box<dyn FnOnce() + Send>),
) {
    let mut code = Some(code);
    // A thread whose thread-locals are gone is no I/O thread any more.
    let _ = HELPERS.try_with(|helpers| {
        if let Some(helpers) = helpers.get()
            && let Some(code) = code.take()
        {
            post(helpers, Box::new(code));
        }
    });
    if let Some(code) = code {
        catch_panic(code);
    }
}

/// Emits an event of this level (`warn`, `info`, `debug`), with fields and message as for
/// `tracing`'s macros. They move into a closure that may run later, on another thread.
macro_rules! event {
    ($level:ident, $($event:tt)+) => {
        if $crate::user_code::is_wanted($crate::user_code::level::$level) {
            $crate::user_code::emit(move || tracing::$level!(target: "distlock", $($event)+));
        }
    };
}

pub(crate) use event;

/// Whether a subscriber may want events of this level. Calls no code of users.
pub(crate) fn is_wanted(level: tracing::level_filters::LevelFilter) -> bool {
    level <= tracing::level_filters::LevelFilter::current()
}

/// The levels, named as `tracing`'s macros are.
#[allow(non_upper_case_globals, reason = "they are found by the name of a macro")]
pub(crate) mod level {
    use tracing::level_filters::LevelFilter;

    pub(crate) const warn: LevelFilter = LevelFilter::WARN;
    pub(crate) const info: LevelFilter = LevelFilter::INFO;
    pub(crate) const debug: LevelFilter = LevelFilter::DEBUG;
}
