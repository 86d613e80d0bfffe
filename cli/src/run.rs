//! `distlock run`: a command under a lock.
//!
//! The command runs in the process group of `distlock`, so that a terminal reaches both, and
//! inherits its standard streams. Signals that come to `distlock` alone are sent on. The lock is
//! held until the command has ended; a hold that is lost ends the command.

use std::ffi::OsString;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use distlock::{LockError, LockGuard, LockManager};
use humantime::parse_duration;
use tokio::process::{Child, Command};

use crate::connection::Connection;
use crate::output::complain;
use crate::signals::{Signals, TERMINATE, send};

const LONG: &str = "\
Examples:
  distlock run nightly-backup --if-busy skip -- backup.sh --full
  distlock run migrations --wait 5m --ttl 10s -- sh -c 'migrate && notify'

Spans of time have a unit: 500ms, 30s, 5m, 1h 30m, 2days.

The command gets the key and the fencing token of the hold in the variables DISTLOCK_KEY and \
DISTLOCK_TOKEN. Signals that ask it to end or to reload are sent on to it. The lock is released \
when the command ends, also if processes that it has started go on.

If the hold is lost, because Redis lost it or could not be reached for too long, another process \
may get the lock: the command gets a SIGTERM, and a SIGKILL if it still runs after --kill-after.

Exit codes:
  0    with --if-busy skip also: the lock was busy, and nothing ran
  123  the hold was lost, or its release was not confirmed
  124  the lock was busy
  125  the lock could not be acquired for another reason
  126  the command could not be started
  127  the command was not found
  128 + n if signal n has ended the command, else the exit code of the command";

const LOST: u8 = 123;
const BUSY: u8 = 124;
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNALLED: u8 = 128;

#[derive(Args, Debug)]
#[command(
    after_long_help = LONG,
    after_help = "Exit codes and details: distlock run --help",
    override_usage = "distlock run [OPTIONS] <KEY> -- <COMMAND>..."
)]
pub struct RunArguments {
    /// The key of the lock
    key: String,
    /// How long the lock stays taken if this host crashes; it is renewed while the command runs
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s")]
    ttl: Duration,
    /// How long to wait for the lock [default: as long as it takes, or not at all with --if-busy]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// What to do if the lock is busy, now or when --wait is over
    #[arg(long, value_enum, value_name = "WHAT")]
    if_busy: Option<IfBusy>,
    /// How long the lock stays taken at least, also if the command ends earlier
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    min_hold: Option<Duration>,
    /// How long the command may hold the lock at most; after that it is lost [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_hold: Option<Duration>,
    /// What others see behind the name of the command, for example a version or the name of a job
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// How long the command may take to end after its hold is lost; then it is killed
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    kill_after: Duration,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IfBusy {
    /// Exit with 124
    Fail,
    /// Exit with 0
    Skip,
}

pub async fn run(connection: &Connection, arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let locks = connection.open(arguments.label.as_deref())?;
    // From now on none of them ends this process.
    let mut signals = Signals::new().context("signals cannot be received")?;
    let guard = tokio::select! {
        guard = acquire(&locks, arguments) => guard,
        signal = signals.next() => {
            locks.shutdown().await;
            return Ok(ExitCode::from(SIGNALLED + signal));
        }
    };
    let guard = match guard {
        Ok(guard) => guard,
        Err(error @ LockError::Busy(_)) => {
            if arguments.if_busy == Some(IfBusy::Skip) {
                return Ok(ExitCode::SUCCESS);
            }
            complain(error);
            return Ok(ExitCode::from(BUSY));
        }
        Err(error) => return Err(error.into()),
    };
    let mut code = command(arguments, &guard, &mut signals).await;
    if let Err(error) = guard.release().await
        && code != LOST
    {
        complain(&error);
        // Another process may have had the lock: the work is not known to be done.
        if code == 0 && matches!(error, LockError::Lost(_)) {
            code = LOST;
        }
    }
    locks.shutdown().await;
    Ok(ExitCode::from(code))
}

async fn acquire(locks: &LockManager, arguments: &RunArguments) -> Result<LockGuard, LockError> {
    // Without its arguments, which may be secret. Needed until the process ends.
    let program: &str = Box::leak(arguments.command[0].to_string_lossy().into());
    let request = locks.mutex(&arguments.key).function(program);
    let mut request = request.ttl(arguments.ttl).wait_for_release();
    let wait = match (arguments.wait, arguments.if_busy) {
        (None, Some(_)) => Some(Duration::ZERO),
        (wait, _) => wait,
    };
    if let Some(wait) = wait {
        request = request.wait(wait);
    }
    if let Some(min_hold) = arguments.min_hold {
        request = request.min_hold(min_hold);
    }
    if let Some(max_hold) = arguments.max_hold {
        request = request.max_hold(max_hold);
    }
    request.acquire().await
}

/// Runs the command to its end. Its exit code, or what says that it was not started.
async fn command(arguments: &RunArguments, guard: &LockGuard, signals: &mut Signals) -> u8 {
    let [program, words @ ..] = &arguments.command[..] else { return NOT_FOUND };
    let mut command = Command::new(program);
    command.args(words);
    command.env("DISTLOCK_KEY", guard.key());
    command.env("DISTLOCK_TOKEN", guard.fence().to_string());
    command.kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            complain(format_args!("{} cannot be started: {error}", program.to_string_lossy()));
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            return if is_missing { NOT_FOUND } else { NOT_STARTED };
        }
    };
    let mut lost = std::pin::pin!(guard.hold().lost());
    loop {
        tokio::select! {
            ended = child.wait() => {
                // Only an error of the system has no status.
                return ended.map_or(NOT_STARTED, exit_code);
            }
            signal = signals.next() => {
                send(&child, signal);
            }
            error = &mut lost => {
                complain(format_args!("{error}; ending the command"));
                end(&mut child, arguments.kill_after).await;
                return LOST;
            }
        }
    }
}

/// Asks the command to end, and kills it if it does not.
async fn end(child: &mut Child, patience: Duration) {
    if send(child, TERMINATE) && tokio::time::timeout(patience, child.wait()).await.is_ok() {
        return;
    }
    if let Err(error) = child.kill().await {
        complain(format_args!("the command cannot be killed: {error}"));
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return SIGNALLED + u8::try_from(signal).unwrap_or(0);
    }
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}
