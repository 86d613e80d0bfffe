//! What earlier runs found, kept between them: a table needs no run of everything at once.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::bug::Edited;
use crate::outcome::Kill;
use crate::suite::{Effort, Suite};

/// A folder with a file for each bug and each suite that has looked for it.
pub struct Results {
    /// Where.
    pub folder: PathBuf,
}

/// What a suite made of a bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// What it looked at: [`key`].
    pub key: u64,
    /// How long it took, without the build.
    pub took: Duration,
    /// How many schedules it ran at the most, if it runs any.
    pub schedules: Option<u64>,
    /// How it found the bug, if it did.
    pub kill: Option<Kill>,
}

/// Tells apart what a suite looks at: the sources that it is built from, with the bug in them, and the first seed.
pub fn key(suite: Suite, sources: &Edited, edited: &Edited, effort: Effort) -> u64 {
    let mut hasher = DefaultHasher::new();
    let looked_at = |name: &PathBuf| suite.folders().iter().any(|folder| name.starts_with(folder));
    for (name, content) in sources.iter().filter(|(name, _)| looked_at(name)) {
        (name, edited.get(name).unwrap_or(content)).hash(&mut hasher);
    }
    suite.schedules(effort).map(|_| effort.from).hash(&mut hasher);
    // A file of a result has no room for more than that.
    hasher.finish() >> 1
}

impl Results {
    /// What is known, if what was looked at is still the same and nobody asks for more schedules.
    pub fn get(&self, bug: &str, suite: Suite, key: u64, effort: Effort) -> Option<Kept> {
        let text = fs::read_to_string(self.path(bug, suite)).ok()?;
        let kept: Kept = toml::from_str(&text).ok()?;
        let enough = kept.kill.is_some() || kept.schedules >= suite.schedules(effort);
        (kept.key == key && enough).then_some(kept)
    }

    /// Keeps what came out, in the place of what was known before.
    pub fn put(&self, bug: &str, suite: Suite, kept: &Kept) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.path(bug, suite), toml::to_string(kept)?)?;
        Ok(())
    }

    /// Forgets all of it.
    pub fn forget(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }

    fn path(&self, bug: &str, suite: Suite) -> PathBuf {
        self.folder.join(format!("{bug}-{}.toml", suite.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { from: 0, simulated: 100, real: 2 };

    fn files(of: &[(&str, &str)]) -> Edited {
        of.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect()
    }

    fn kept(kill: Option<Kill>) -> Kept {
        Kept { key: 7, took: Duration::from_millis(1_500), schedules: Some(100), kill }
    }

    #[test]
    fn a_result_stands_until_what_was_looked_at_changes() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results { folder: folder.path().join("results") };
        let kept = kept(Some(Kill::by("exclusive")));
        results.put("07-bug", Suite::Simulation, &kept).unwrap();
        assert_eq!(results.get("07-bug", Suite::Simulation, 7, EFFORT), Some(kept));
        assert_eq!(results.get("07-bug", Suite::Simulation, 8, EFFORT), None);
        assert_eq!(results.get("07-bug", Suite::Units, 7, EFFORT), None);
    }

    #[test]
    fn a_bug_that_survived_so_many_schedules_may_not_survive_more() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results { folder: folder.path().to_owned() };
        results.put("07-bug", Suite::Simulation, &kept(None)).unwrap();
        let more = Effort { simulated: 101, ..EFFORT };
        assert!(results.get("07-bug", Suite::Simulation, 7, EFFORT).is_some());
        assert!(results.get("07-bug", Suite::Simulation, 7, more).is_none());
    }

    #[test]
    fn only_what_a_suite_is_built_from_counts() {
        let code = files(&[("lock-runtime/src/a.rs", "a"), ("docs/a.md", "a")]);
        let of = |edited: &[(&str, &str)]| key(Suite::Simulation, &code, &files(edited), EFFORT);
        assert_eq!(of(&[]), of(&[("docs/a.md", "b")]));
        assert_ne!(of(&[]), of(&[("lock-runtime/src/a.rs", "b")]));
    }
}
