#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Reported for the plain function only.
    Hidden,
    /// Reported for the annotated function only.
    Added,
}

/// A lint that cannot be the same, and in which functions; `*` stands for all of them.
pub(super) struct Exception {
    pub(super) lint: &'static str,
    side: Side,
    pub(super) places: &'static [&'static str],
}

impl Exception {
    pub(super) fn covers(&self, side: Side, lint: &str, function: &str) -> bool {
        let here = |place: &&str| *place == "*" || *place == function;
        self.side == side && self.lint == lint && self.places.iter().any(here)
    }
}

const RETURNS_A_FUTURE: &[&str] = &[
    "boxed",
    "boxed_borrowed",
    "forbidden_boxed",
    "forwards_future",
    "later",
    "later_boxed",
    "let_returned",
    "manual",
    "manual_borrowed",
    "needless_boxed",
    "needless_future",
    "returned",
    "run",
    "run_alone",
    "run_default",
];

pub(super) const EXCEPTIONS: &[Exception] = &[
    // A function that takes a lock is not `const`.
    hidden("clippy::missing_const_for_fn", &["*"]),
    // It does await: the lock.
    hidden("clippy::unused_async", &["*"]),
    // Its value comes out of a call, which may fail where the body cannot.
    hidden("clippy::unnecessary_wraps", &["*"]),
    // These end their search at a closure, of whose return type they know nothing.
    hidden("clippy::unwrap_in_result", &["*"]),
    hidden("clippy::fallible_impl_from", &["from"]),
    // A call of oneself is looked for in the function's own control flow.
    hidden("unconditional_recursion", &["calls_itself", "attributed"]),
    hidden("clippy::unconditional_recursion", &["eq"]),
    // The function does more than its one `async` block.
    hidden("clippy::manual_async_fn", &["manual", "later", "needless_future"]),
    // The argument belongs to the future, or to the function around the body.
    hidden("clippy::needless_pass_by_value", &["returned"]),
    hidden("clippy::needless_pass_by_ref_mut", &["private_by_mutable_async"]),
    hidden("clippy::redundant_clone", &["copies"]),
    hidden("clippy::redundant_locals", &["shadows_async"]),
    // Said of the closure as well: it returns what the function does.
    added("clippy::result_large_err", &["large_error"]),
    // For an `async` block without a value nothing is said, for an `async fn` it is. `-> !` is
    // missed at such a block, and its call is the function's end.
    hidden("clippy::implicit_return", &["returns_unit_async", "semicolons_async"]),
    added("clippy::implicit_return", &["diverges_async"]),
    added("clippy::infinite_loop", &["diverges_async"]),
    // The closure of a function that may return what a `&mut` argument borrows is not in the user's
    // name (see `lock-macros/src/body.rs`), and clippy passes over it.
    hidden("clippy::implicit_return", &["name_mut", "run_alone"]),
    // A returned future is at the end of the function without a `return`, where other
    // attributes look for it.
    added("clippy::implicit_return", RETURNS_A_FUTURE),
    // Counted per scope: the body is one, the arguments are another.
    added("clippy::many_single_char_names", &["short", "short_async"]),
    // Noticed for an `async` block, and a future that a function passes on becomes part of one.
    added("clippy::missing_errors_doc", &["returned", "forwards_future"]),
];

const fn hidden(lint: &'static str, places: &'static [&'static str]) -> Exception {
    Exception { lint, side: Side::Hidden, places }
}

const fn added(lint: &'static str, places: &'static [&'static str]) -> Exception {
    Exception { lint, side: Side::Added, places }
}
