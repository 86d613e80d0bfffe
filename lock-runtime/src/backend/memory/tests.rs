//! The memory and a real server, asked the same questions.

pub(crate) mod batch;
pub(crate) mod branches;
pub(crate) mod commands;
pub(crate) mod compare;
pub(crate) mod cycles;
pub(crate) mod edge_cases;
pub(crate) mod multi;
pub(crate) mod node;
pub(crate) mod parity;
pub(crate) mod random;
pub(crate) mod steps;
