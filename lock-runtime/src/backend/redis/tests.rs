//! The Redis backend against random and malicious replies.

mod fake_server;
mod random;
