//! One function of each kind, and beside each file what the compiler makes of it.

pub mod asynchronous;
pub mod boxed;
pub mod boxed_trait;
pub mod busy;
pub mod defaults;
pub mod elsewhere;
pub mod future;
pub mod generic;
pub mod handled;
pub mod hold;
pub mod list;
pub mod method;
pub mod options;
pub mod panicking;
pub mod skipped;
pub mod sync;
pub mod unnamed;
pub mod value;
