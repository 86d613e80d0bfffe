//! The kind of server that a manager has its locks on.

use std::fmt;

/// Where the locks of a manager are, from [`ManagerStatus::server`](crate::ManagerStatus::server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ServerKind {
    /// In this process: `memory://`.
    Memory,
    /// One server.
    Single,
    /// A primary that Sentinels name.
    Sentinel,
    /// A Redis Cluster.
    Cluster,
}

/// `single`
impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Single => "single",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        })
    }
}
