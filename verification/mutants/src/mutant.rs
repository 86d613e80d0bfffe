//! A edited mutant: what is wrong with it, and the edits of the sources that make it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::suite::Suite;

/// A mutant, as its file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The stem of its file: a number and a few words.
    #[serde(skip)]
    pub name: String,
    /// The bug in one line.
    pub title: String,
    /// The effect on users.
    pub why: String,
    /// Applied in this order.
    #[serde(rename = "edit")]
    pub edits: Vec<Edit>,
    /// The suites that should detect it, in the order in which they run.
    #[serde(default = "Suite::cheapest_first")]
    pub suites: Vec<Suite>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Relative to the root of the workspace.
    pub file: PathBuf,
    /// Has to occur exactly once.
    pub find: String,
    pub replace: String,
}

/// Why an edit cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The text occurs this often, not once.
    NotOnce(usize),
    /// The edit replaces a text by itself.
    NoChange,
}

/// Files and their contents.
pub type Edited = BTreeMap<PathBuf, Vec<u8>>;

impl Mutant {
    /// Reads all mutants of a folder, sorted by name.
    pub fn all(folder: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let mut mutant: Self =
            toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.clone_into(&mut mutant.name);
        ensure!(!mutant.number().is_empty(), "{}: a name begins with its number", path.display());
        ensure!(!mutant.edits.is_empty(), "{}: the mutant has no edit", path.display());
        ensure!(!mutant.suites.is_empty(), "{}: the mutant has no suite", path.display());
        Ok(mutant)
    }

    /// The number at the beginning of its name.
    pub fn number(&self) -> &str {
        let end = self.name.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.name.len());
        &self.name[..end]
    }

    /// The contents of the changed files, with the mutant.
    pub fn apply_to(&self, sources: &Edited) -> Result<Edited> {
        let mut edited = Edited::new();
        for edit in &self.edits {
            let location = || format!("{}: {}", self.name, edit.file.display());
            let before = edited.get(&edit.file).or_else(|| sources.get(&edit.file));
            let before = before.with_context(|| format!("{}: no such file", location()))?;
            let before = std::str::from_utf8(before).with_context(location)?;
            let after = edit.apply(before).map_err(anyhow::Error::new).with_context(location)?;
            edited.insert(edit.file.clone(), after.into_bytes());
        }
        Ok(edited)
    }
}

impl Edit {
    pub fn apply(&self, text: &str) -> Result<String, EditError> {
        if self.find == self.replace {
            return Err(EditError::NoChange);
        }
        match text.match_indices(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            times => Err(EditError::NotOnce(times)),
        }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnce(times) => write!(f, "the text to replace occurs {times} times, not once"),
            Self::NoChange => f.write_str("the edit changes nothing"),
        }
    }
}

impl std::error::Error for EditError {}

#[cfg(test)]
mod tests;
