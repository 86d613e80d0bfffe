use std::fmt;

use clap::ValueEnum;

use crate::settings::FailoverPause;

/// How a replica becomes the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum FailoverKind {
    /// `SENTINEL FAILOVER` after `CLIENT PAUSE WRITE`: nothing is lost.
    Manual,
    /// `SENTINEL FAILOVER` alone: the old primary takes writes until it is demoted.
    ManualLive,
    /// The primary is killed; its replicas have all that clients have heard of.
    Crash,
    /// The primary is killed, and what it did for a moment before that reached no replica.
    LossyCrash,
    /// The primary is paused until another one is named, and goes on before it is demoted.
    Thaw,
    /// The primary, a Sentinel and a worker are cut off from all others for some time.
    Partition,
    /// Without Sentinels: a name leads to the promoted replica, and nothing is lost.
    Name,
    /// The same, and what the old primary did for a moment before that reached no replica.
    LossyName,
    /// In a cluster: `CLUSTER FAILOVER`, which loses nothing.
    ClusterManual,
    /// In a cluster: as with `Crash`.
    ClusterCrash,
    /// In a cluster: as with `LossyCrash`.
    ClusterLossyCrash,
    /// In a cluster: as with `Thaw`.
    ClusterThaw,
    /// In a cluster: the same, and a worker can reach only the paused node, for some time.
    ClusterPartition,
    /// In a cluster: `CLUSTER FAILOVER FORCE`. The old primary takes writes until it hears of it.
    ClusterForce,
    /// In a cluster: `CLUSTER FAILOVER TAKEOVER`. The other nodes do not agree before.
    ClusterTakeover,
    /// In a cluster: `CLUSTER FAILOVER`, and both nodes forget all scripts before and after it.
    ClusterFlush,
    /// In a cluster: as with `Crash`. The old primary starts again at another address, and takes
    /// its place again.
    NewAddress,
    /// In a cluster: no failover. The slots of all keys move from node to node.
    Reshard,
    /// In a cluster: the same, and there are hundreds of other keys in each slot.
    ReshardFull,
    /// In a cluster: no failover. A slot is open for seconds, before and after its keys have moved.
    OpenSlot,
    /// In a cluster: no failover. A slot moves a hundred times.
    Storm,
}

impl FailoverKind {
    /// Whether the new primary has all that the old one has answered.
    #[must_use]
    pub fn is_lossless(self) -> bool {
        matches!(
            self,
            Self::Manual
                | Self::Crash
                | Self::Name
                | Self::ClusterManual
                | Self::ClusterCrash
                | Self::ClusterFlush
                | Self::NewAddress
        ) || self.moves_slots()
    }

    /// Whether slots move and no server takes the place of another.
    pub(crate) fn moves_slots(self) -> bool {
        matches!(self, Self::Reshard | Self::ReshardFull | Self::OpenSlot | Self::Storm)
    }

    pub(super) fn has_name(self) -> bool {
        matches!(self, Self::Name | Self::LossyName)
    }

    pub(super) fn is_of_a_cluster(self) -> bool {
        matches!(
            self,
            Self::ClusterManual
                | Self::ClusterCrash
                | Self::ClusterLossyCrash
                | Self::ClusterThaw
                | Self::ClusterPartition
                | Self::ClusterForce
                | Self::ClusterTakeover
                | Self::ClusterFlush
                | Self::NewAddress
        ) || self.moves_slots()
    }

    /// Whether the first worker is on the side of the old primary.
    pub(super) fn is_partition(self) -> bool {
        matches!(self, Self::Partition | Self::ClusterPartition)
    }

    /// Whether its first grant tells how long the pause was: not if a process that is cut off may
    /// have all the locks that the others want, and not without a pause.
    pub(super) fn is_followed_by_a_pause(self) -> bool {
        !self.is_partition() && !self.moves_slots()
    }

    /// The pauses after it that make a difference.
    pub(super) fn pauses(self) -> Vec<FailoverPause> {
        if self.is_lossless() {
            return vec![FailoverPause::default()];
        }
        FailoverPause::value_variants().to_vec()
    }
}

impl fmt::Display for FailoverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("none is skipped");
        f.pad(value.get_name())
    }
}
