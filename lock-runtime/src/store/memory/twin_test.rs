//! The twin and a real server, asked the same questions.

mod alike;
mod asks;
mod at_once;
mod both;
mod branches;
mod cycles;
mod hazards;
mod random;
mod steps;
mod together;
