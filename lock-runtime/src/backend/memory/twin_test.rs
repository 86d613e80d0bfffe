//! The twin and a real server, asked the same questions.

pub(crate) mod alike;
pub(crate) mod asks;
pub(crate) mod at_once;
pub(crate) mod both;
pub(crate) mod branches;
pub(crate) mod cycles;
pub(crate) mod hazards;
pub(crate) mod random;
pub(crate) mod steps;
pub(crate) mod together;
