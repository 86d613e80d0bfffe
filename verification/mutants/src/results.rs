//! Caches results between runs.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
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
    /// Identifies the tested sources; see [`Key`].
    pub library: u64,
    pub tests: u64,
    /// The last commit that changed the library.
    pub commit: String,
    /// Without the build.
    pub took: Duration,
    /// The maximum number of schedules, for suites that run schedules.
    pub schedules: Option<u64>,
    pub detection: Option<Detection>,
}

/// Identifies what a suite was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// A hash of the library with the mutant.
    pub library: u64,
    /// A hash of the tests and the first seed. A detection stays valid when they change, so that a
    /// test for a survivor does not invalidate all other results.
    pub tests: u64,
}

impl Key {
    /// `edited` are the files that the mutant changes.
    pub fn new(suite: Suite, sources: &Edited, edited: &Edited, effort: Effort) -> Self {
        let (mut library, mut tests) = (DefaultHasher::new(), DefaultHasher::new());
        let built = |name: &Path| suite.folders().iter().any(|folder| name.starts_with(folder));
        for (name, content) in sources.iter().filter(|(name, _)| built(name)) {
            let hasher = if is_library(name) { &mut library } else { &mut tests };
            (name, edited.get(name).unwrap_or(content)).hash(hasher);
        }
        suite.schedules(effort).map(|_| effort.from).hash(&mut tests);
        // TOML integers are signed.
        Self { library: library.finish() >> 1, tests: tests.finish() >> 1 }
    }
}

/// Whether a file is part of the library, not of its tests.
fn is_library(name: &Path) -> bool {
    let is_source = ["src", "lock-runtime/src", "lock-macros/src"];
    let is_test = |part: &OsStr| part == "tests" || part == "tests.rs";
    is_source.iter().any(|folder| name.starts_with(folder)) && !name.iter().any(is_test)
}

impl Results {
    /// The cached result, if it is a detection in the same library, or if the tests are the same,
    /// too, and it ran enough schedules.
    pub fn get(
        &self,
        mutant: &str,
        suite: Suite,
        key: Key,
        effort: Effort,
    ) -> Option<CachedResult> {
        let cached = self.latest(mutant, suite)?;
        let same_tests = cached.tests == key.tests;
        let enough = same_tests && cached.schedules >= suite.schedules(effort);
        let is_valid = cached.detection.is_some() || enough;
        (cached.library == key.library && is_valid).then_some(cached)
    }

    /// The latest result, also if the sources have changed since.
    pub fn latest(&self, mutant: &str, suite: Suite) -> Option<CachedResult> {
        let text = fs::read_to_string(self.path(mutant, suite)).ok()?;
        toml::from_str(&text).ok()
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
