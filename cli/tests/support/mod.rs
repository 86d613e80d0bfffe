//! The command as it is typed.

use std::env;
use std::process::{Command, Stdio};

/// With the URL in its variable, and no other settings from outside.
pub fn distlock(url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distlock"));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name == "REDIS_URL" || name.starts_with("DISTLOCK_")) {
            command.env_remove(name);
        }
    }
    command.args(words).env("DISTLOCK_URL", url).stdin(Stdio::null());
    command
}
