//! Signals for a command that runs in the place of this process.

use std::io::{self, IsTerminal as _};

use tokio::process::Child;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

pub const INTERRUPT: u8 = 2;
pub const QUIT: u8 = 3;
pub const TERMINATE: u8 = 15;

/// Signals that come to this process and do not end it any more.
pub struct Signals {
    #[cfg(unix)]
    all: [(SignalKind, Signal); 6],
}

impl Signals {
    #[cfg(unix)]
    pub fn new() -> io::Result<Self> {
        let of = |kind| Ok::<_, io::Error>((kind, signal(kind)?));
        let all = [
            of(SignalKind::interrupt())?,
            of(SignalKind::quit())?,
            of(SignalKind::terminate())?,
            of(SignalKind::hangup())?,
            of(SignalKind::user_defined1())?,
            of(SignalKind::user_defined2())?,
        ];
        Ok(Self { all })
    }

    /// The number of the next one.
    #[cfg(unix)]
    pub async fn next(&mut self) -> u8 {
        let kind = std::future::poll_fn(|context| {
            let come = self
                .all
                .iter_mut()
                .find_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
            come.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        });
        u8::try_from(kind.await.as_raw_value()).unwrap_or(TERMINATE)
    }

    #[cfg(not(unix))]
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The number of the next one: of the interrupt key.
    #[cfg(not(unix))]
    pub async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}

/// Sends a signal on to the command. Returns whether it gets it. One of the keys of a terminal goes
/// to its whole process group anyway.
pub fn send(command: &Child, signal: u8) -> bool {
    if matches!(signal, INTERRUPT | QUIT) && io::stdin().is_terminal() {
        return true;
    }
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process};

        let pid = command.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let signal = Signal::from_named_raw(signal.into());
        pid.zip(signal).is_some_and(|(pid, signal)| kill_process(pid, signal).is_ok())
    }
    #[cfg(not(unix))]
    {
        let _ = command;
        false
    }
}
