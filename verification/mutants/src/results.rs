//! Caches results between runs.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::mutant::Edited;
use crate::outcome::Detection;
use crate::suite::{Effort, Suite};

/// A folder with a file for each mutant and suite.
pub struct Results {
    pub folder: PathBuf,
}

/// The result of a suite on a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedResult {
    /// Identifies the tested sources; see [`key`].
    pub key: u64,
    /// Without the build.
    pub took: Duration,
    /// The maximum number of schedules, for suites that run schedules.
    pub schedules: Option<u64>,
    pub detection: Option<Detection>,
}

/// Hashes what a suite tests: the sources that it is built from, with the mutant, and the first
/// seed.
pub fn key(suite: Suite, sources: &Edited, edited: &Edited, effort: Effort) -> u64 {
    let mut hasher = DefaultHasher::new();
    let relevant = |name: &PathBuf| suite.folders().iter().any(|folder| name.starts_with(folder));
    for (name, content) in sources.iter().filter(|(name, _)| relevant(name)) {
        (name, edited.get(name).unwrap_or(content)).hash(&mut hasher);
    }
    suite.schedules(effort).map(|_| effort.from).hash(&mut hasher);
    // TOML integers are signed.
    hasher.finish() >> 1
}

impl Results {
    /// The cached result, if the sources are unchanged and it ran enough schedules.
    pub fn get(
        &self,
        mutant: &str,
        suite: Suite,
        key: u64,
        effort: Effort,
    ) -> Option<CachedResult> {
        let text = fs::read_to_string(self.path(mutant, suite)).ok()?;
        let cached: CachedResult = toml::from_str(&text).ok()?;
        let enough = cached.detection.is_some() || cached.schedules >= suite.schedules(effort);
        (cached.key == key && enough).then_some(cached)
    }

    /// Replaces the cached result.
    pub fn put(&self, mutant: &str, suite: Suite, cached: &CachedResult) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.path(mutant, suite), toml::to_string(cached)?)?;
        Ok(())
    }

    pub fn clear(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }

    fn path(&self, mutant: &str, suite: Suite) -> PathBuf {
        self.folder.join(format!("{mutant}-{}.toml", suite.name()))
    }
}

#[cfg(test)]
mod tests;
