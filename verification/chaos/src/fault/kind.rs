use std::fmt;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum FaultKind {
    /// Connections are closed at once.
    CutNow,
    /// Connections are closed at their next request, which the server never sees.
    CutBeforeApply,
    /// Connections are closed after the server executed their next request, before the reply.
    CutAfterApply,
    /// Connections are closed in the middle of the next reply.
    CutMidFrame,
    /// Requests are delayed.
    DelayToServer,
    /// Replies and pushes are delayed.
    DelayToClient,
    /// Nothing arrives, and connections stay open.
    BlackHole,
    /// Data in flight arrives after the client has given up the connection.
    Freeze,
    /// Grants are not pushed.
    DropPushes,
    /// The server process is paused.
    ServerPause,
    /// The server is killed and restarted; it keeps its data if it has an append-only file.
    ServerCrash,
    /// The server closes all connections without a subscription.
    KillNormal,
    /// The server closes all connections with a subscription.
    KillPubsub,
    /// The server closes one connection.
    KillOne,
    /// `CLIENT PAUSE ALL`.
    ClientPauseAll,
    /// `CLIENT PAUSE WRITE`.
    ClientPauseWrite,
    /// `SCRIPT FLUSH`.
    ScriptFlush,
    /// `FLUSHALL`.
    FlushAll,
    /// The hold of a key is deleted.
    DeleteHold,
    /// The queue of a key is deleted.
    DeleteQueue,
    /// The data of the waiters of a key is deleted.
    DeleteWaiters,
    /// The tombstones of a key are deleted.
    DeleteCancelled,
    /// The counter of tokens is deleted.
    DeleteFence,
    /// The memory is full, and the server rejects writes.
    MemoryFull,
    /// The memory is full, and the server evicts keys.
    Eviction,
    /// The server's clock jumps ahead.
    ClockAhead,
    /// The server's clock jumps back.
    ClockBack,
    /// The holder of a key is paused.
    PauseHolder,
    /// The first waiter of a key is paused.
    PauseWaiter,
    /// A worker is paused.
    PauseAny,
    /// The holder of a key is killed.
    KillHolder,
    /// The first waiter of a key is killed.
    KillWaiter,
    /// The first waiter of a key is paused, and killed after it was granted the lock.
    KillGranted,
    /// A worker is killed.
    KillAny,
}

impl FaultKind {
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillHolder | Self::KillWaiter | Self::KillGranted | Self::KillAny)
    }

    #[must_use]
    pub fn is_of_the_network(self) -> bool {
        matches!(
            self,
            Self::CutNow
                | Self::CutBeforeApply
                | Self::CutAfterApply
                | Self::CutMidFrame
                | Self::DelayToServer
                | Self::DelayToClient
                | Self::BlackHole
                | Self::Freeze
                | Self::DropPushes
        )
    }

    pub(super) fn lasts(self) -> bool {
        let of_network = self.is_of_the_network()
            && !matches!(
                self,
                Self::CutNow | Self::CutBeforeApply | Self::CutAfterApply | Self::CutMidFrame
            );
        of_network
            || matches!(
                self,
                Self::ServerPause
                    | Self::ServerCrash
                    | Self::ClientPauseAll
                    | Self::ClientPauseWrite
                    | Self::MemoryFull
                    | Self::Eviction
                    | Self::PauseHolder
                    | Self::PauseWaiter
                    | Self::PauseAny
            )
    }

    pub(super) fn is_about_a_worker(self) -> bool {
        self.is_of_the_network() || matches!(self, Self::PauseAny | Self::KillAny)
    }

    pub(super) fn is_about_a_key(self) -> bool {
        matches!(
            self,
            Self::DeleteHold
                | Self::DeleteQueue
                | Self::DeleteWaiters
                | Self::DeleteCancelled
                | Self::PauseHolder
                | Self::PauseWaiter
                | Self::KillHolder
                | Self::KillWaiter
                | Self::KillGranted
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().expect("none is skipped").get_name())
    }
}
