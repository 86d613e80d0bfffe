//! The checks and counts behind `cargo xtask`.

pub mod architecture;
pub mod book;
pub mod figures;
pub mod footprint;
pub mod loc;
pub mod source;
pub mod tidy;
