//! One function of each kind, and beside each file what the compiler makes of it.

mod asynchronous;
mod boxed;
mod boxed_trait;
mod elsewhere;
mod future;
mod generic;
mod handled;
mod hold;
mod method;
mod options;
mod panicking;
mod skipped;
mod sync;
mod unnamed;
