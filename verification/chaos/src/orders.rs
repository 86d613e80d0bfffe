//! What a worker is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::workload::Workload;

/// What a worker is told when it is started, as one line of JSON on its standard input. A second line, an instant, lets it
/// begin and says when it has to end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Which of the run's processes it is.
    pub process: u32,
    /// Where the server is, or the proxy before it.
    pub url: String,
    /// What its choices are drawn from.
    pub seed: u64,
    /// What it does.
    pub workload: Workload,
    /// How many threads do it, and how many tasks beside them.
    pub agents: u32,
    /// How its locks are set up.
    pub settings: Settings,
    /// Where it writes its events.
    pub journal: PathBuf,
    /// The socket of the fenced register.
    pub register: PathBuf,
    /// The file of the unfenced counters.
    pub counters: PathBuf,
}
