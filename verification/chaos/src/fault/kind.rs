use std::fmt;

use clap::ValueEnum;

use crate::failover::FailoverKind;
use crate::schedule::Topology;

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
    /// The slots of all keys move from node to node.
    Reshard,
    /// The same, and there are hundreds of other keys in each slot.
    ReshardFull,
    /// A slot is open for some time, before and after its keys have moved.
    OpenSlot,
    /// A slot moves many times.
    Storm,
    /// `CLUSTER FAILOVER`.
    ClusterManual,
    /// `CLUSTER FAILOVER FORCE`.
    ClusterForce,
    /// `CLUSTER FAILOVER TAKEOVER`.
    ClusterTakeover,
    /// `CLUSTER FAILOVER`, and both nodes forget all scripts before and after it.
    ClusterFlush,
    /// A primary is killed; its replica has all that clients have heard of.
    ClusterCrash,
    /// A primary is killed, and what it did for a moment before that did not reach its replica.
    ClusterLossyCrash,
    /// A primary is paused until its replica has taken its place.
    ClusterThaw,
    /// The same, and a worker can reach only the paused node, for some time.
    ClusterPartition,
    /// A primary is killed, starts again at another address, and takes its place again.
    NewAddress,
}

impl FaultKind {
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillHolder | Self::KillWaiter | Self::KillGranted | Self::KillAny)
    }

    /// What it is called where only failovers are injected. All these need a cluster.
    pub(crate) fn failover(self) -> Option<FailoverKind> {
        Some(match self {
            Self::Reshard => FailoverKind::Reshard,
            Self::ReshardFull => FailoverKind::ReshardFull,
            Self::OpenSlot => FailoverKind::OpenSlot,
            Self::Storm => FailoverKind::Storm,
            Self::ClusterManual => FailoverKind::ClusterManual,
            Self::ClusterForce => FailoverKind::ClusterForce,
            Self::ClusterTakeover => FailoverKind::ClusterTakeover,
            Self::ClusterFlush => FailoverKind::ClusterFlush,
            Self::ClusterCrash => FailoverKind::ClusterCrash,
            Self::ClusterLossyCrash => FailoverKind::ClusterLossyCrash,
            Self::ClusterThaw => FailoverKind::ClusterThaw,
            Self::ClusterPartition => FailoverKind::ClusterPartition,
            Self::NewAddress => FailoverKind::NewAddress,
            _ => return None,
        })
    }

    /// Whether servers of this kind can have it.
    #[must_use]
    pub fn is_of(self, topology: Topology) -> bool {
        match topology {
            Topology::Server => self.failover().is_none(),
            Topology::Cluster => {
                self.failover().is_some()
                    || self.is_of_the_network()
                    || self.pauses()
                    || self.kills()
                    || matches!(
                        self,
                        Self::KillNormal
                            | Self::KillPubsub
                            | Self::ClientPauseWrite
                            | Self::ScriptFlush
                    )
            }
        }
    }

    fn pauses(self) -> bool {
        matches!(self, Self::PauseHolder | Self::PauseWaiter | Self::PauseAny)
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
            || self.pauses()
            || matches!(
                self,
                Self::ServerPause
                    | Self::ServerCrash
                    | Self::ClientPauseAll
                    | Self::ClientPauseWrite
                    | Self::MemoryFull
                    | Self::Eviction
                    | Self::OpenSlot
                    | Self::ClusterCrash
                    | Self::ClusterLossyCrash
                    | Self::ClusterPartition
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
        ) || self.failover().is_some()
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().expect("none is skipped").get_name())
    }
}
