//! The kinds of faults.

use std::fmt;

use clap::ValueEnum;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Kind {
    /// Connections are closed at once.
    CutNow,
    /// Connections are closed at their next request, which the server never sees.
    CutBeforeApply,
    /// Connections are closed when the next request was carried out, before the reply.
    CutAfterApply,
    /// Connections are closed in the middle of the next reply.
    CutMidFrame,
    /// Requests arrive late.
    DelayToServer,
    /// Replies and pushes arrive late.
    DelayToClient,
    /// Nothing arrives, and nobody is told.
    BlackHole,
    /// What was under way arrives when its connection has long been given up.
    Freeze,
    /// Grants are not pushed.
    DropPushes,
    /// The server stands still.
    ServerPause,
    /// The server is killed and comes back, with its data if it keeps a file.
    ServerCrash,
    /// The server closes all connections without a subscription.
    KillNormal,
    /// The server closes all connections with a subscription.
    KillPubsub,
    /// The server closes one connection.
    KillOne,
    /// The server answers nobody.
    ClientPauseAll,
    /// The server answers nobody who writes.
    ClientPauseWrite,
    /// The server forgets all scripts.
    ScriptFlush,
    /// The server forgets all data.
    FlushAll,
    /// The hold of a key is deleted.
    DeleteHold,
    /// The order of the waiters of a key is deleted.
    DeleteQueue,
    /// What is known of the waiters of a key is deleted.
    DeleteWaiters,
    /// The tombstones of a key are deleted.
    DeleteCancelled,
    /// The counter of tokens is deleted.
    DeleteFence,
    /// The server is full, and refuses to write.
    MemoryFull,
    /// The server is full, and evicts.
    Eviction,
    /// The server's clock jumps ahead.
    ClockAhead,
    /// The server's clock jumps back.
    ClockBack,
    /// The holder of a key stands still.
    PauseHolder,
    /// The first waiter of a key stands still.
    PauseWaiter,
    /// A worker stands still.
    PauseAny,
    /// The holder of a key is killed.
    KillHolder,
    /// The first waiter of a key is killed.
    KillWaiter,
    /// The first waiter of a key is stopped, and killed when it has been granted the lock.
    KillGranted,
    /// A worker is killed.
    KillAny,
}

impl Kind {
    /// A worker is killed.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillHolder | Self::KillWaiter | Self::KillGranted | Self::KillAny)
    }

    /// Something between a worker and the server.
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

    /// It is over only after a while.
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().expect("none is skipped").get_name())
    }
}
