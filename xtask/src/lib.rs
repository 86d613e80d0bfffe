//! The checks and counts behind `cargo xtask`.

pub mod architecture;
pub mod loc;
pub mod source;
pub mod tidy;
