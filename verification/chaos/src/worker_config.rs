use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::workload::Workload;

/// The configuration of a worker process: one line of JSON on its standard input. A second line, an
/// instant, starts the worker and says when it has to stop. Each further line replaces that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerConfig {
    pub process: u32,
    /// The URL of the server, or of the proxy in front of it.
    pub url: String,
    pub seed: u64,
    pub workload: Workload,
    /// The number of threads plus tasks that take locks.
    pub agents: u32,
    pub settings: Settings,
    /// The file for its events.
    pub journal: PathBuf,
    /// The socket of the fenced register.
    pub register: PathBuf,
    /// The file of the unfenced counters.
    pub counters: PathBuf,
}
