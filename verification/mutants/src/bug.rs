//! A planted bug: what is wrong with it, and the edits of the sources that make it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::suite::Suite;

/// One bug, as its file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// The stem of its file: a number and a few words.
    #[serde(skip)]
    pub name: String,
    /// What is wrong, in one line.
    pub title: String,
    /// What it would do to users.
    pub why: String,
    /// The edits, made one after the other.
    #[serde(rename = "edit")]
    pub edits: Vec<Edit>,
    /// Who is to find it, in the order in which they try.
    #[serde(default = "Suite::cheapest_first")]
    pub suites: Vec<Suite>,
}

/// One piece of text put in the place of another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Which file, from the root of the workspace.
    pub file: PathBuf,
    /// What is there; exactly once.
    pub find: String,
    /// What is to be there.
    pub replace: String,
}

/// An edit that does not fit the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The text is not there as often as it has to be, which is once.
    Found(usize),
    /// It replaces a text by itself.
    Idle,
}

/// The new contents of the files that a bug changes.
pub type Edited = BTreeMap<PathBuf, Vec<u8>>;

impl Bug {
    /// Reads all bugs of a folder, in the order of their names.
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
        let mut bug: Self = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.clone_into(&mut bug.name);
        ensure!(!bug.number().is_empty(), "{}: a name begins with its number", path.display());
        ensure!(!bug.edits.is_empty(), "{}: a bug without an edit", path.display());
        ensure!(!bug.suites.is_empty(), "{}: nobody is to find it", path.display());
        Ok(bug)
    }

    /// The digits that its name begins with.
    pub fn number(&self) -> &str {
        let end = self.name.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.name.len());
        &self.name[..end]
    }

    /// What the files that it changes are like with it, from what they are like without.
    pub fn plant(&self, sources: &Edited) -> Result<Edited> {
        let mut edited = Edited::new();
        for edit in &self.edits {
            let place = || format!("{}: {}", self.name, edit.file.display());
            let before = edited.get(&edit.file).or_else(|| sources.get(&edit.file));
            let before = before.with_context(|| format!("{}: no such file", place()))?;
            let before = std::str::from_utf8(before).with_context(place)?;
            let after = edit.apply(before).map_err(anyhow::Error::new).with_context(place)?;
            edited.insert(edit.file.clone(), after.into_bytes());
        }
        Ok(edited)
    }
}

impl Edit {
    /// The text with the edit made.
    pub fn apply(&self, text: &str) -> Result<String, Misfit> {
        if self.find == self.replace {
            return Err(Misfit::Idle);
        }
        match text.match_indices(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            times => Err(Misfit::Found(times)),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(times) => write!(f, "the text to replace is there {times} times, not once"),
            Self::Idle => f.write_str("the edit changes nothing"),
        }
    }
}

impl std::error::Error for Misfit {}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(find: &str, replace: &str) -> Edit {
        Edit { file: "a.rs".into(), find: find.into(), replace: replace.into() }
    }

    fn bug(edits: Vec<Edit>) -> Bug {
        let (title, why) = (String::new(), String::new());
        Bug { name: "07-some-bug".into(), title, why, edits, suites: Suite::cheapest_first() }
    }

    #[test]
    fn an_edit_replaces_the_one_place_where_its_text_is() {
        let text = "let a = 1;\nlet b = 2;\n";
        assert_eq!(edit("b = 2", "b = 3").apply(text).unwrap(), "let a = 1;\nlet b = 3;\n");
        assert_eq!(edit("let a = 1;\n", "").apply(text).unwrap(), "let b = 2;\n");
    }

    #[test]
    fn an_edit_whose_text_is_there_twice_or_not_at_all_is_refused() {
        assert_eq!(edit("let", "const").apply("let a; let b;"), Err(Misfit::Found(2)));
        assert_eq!(edit("let c", "const").apply("let a; let b;"), Err(Misfit::Found(0)));
        assert_eq!(edit("let a", "let a").apply("let a; let b;"), Err(Misfit::Idle));
    }

    #[test]
    fn edits_of_one_file_build_on_one_another() {
        let sources = Edited::from([("a.rs".into(), b"one".to_vec())]);
        let planted = bug(vec![edit("one", "two"), edit("two", "three")]).plant(&sources).unwrap();
        assert_eq!(planted, Edited::from([("a.rs".into(), b"three".to_vec())]));
        assert!(bug(vec![edit("two", "three")]).plant(&sources).is_err());
        assert!(bug(vec![edit("one", "two")]).plant(&Edited::new()).is_err());
    }

    #[test]
    fn the_file_of_a_bug_says_all_there_is_to_say() {
        let text = r#"
            title = "deadline counted from the reply"
            why = "two holders"
            suites = ["simulation", "trials"]
            [[edit]]
            file = "a.rs"
            find = '''
sent
'''
            replace = "now\n"
        "#;
        let bug: Bug = toml::from_str(text).unwrap();
        assert_eq!(bug.suites, [Suite::Simulation, Suite::Trials]);
        assert_eq!(bug.edits[0].find, "sent\n");
        assert!(toml::from_str::<Bug>("title = 'a'\nwhy = 'b'\nedit = []\nodd = 1").is_err());
    }

    #[test]
    fn every_planted_bug_fits_the_sources() {
        let root = crate::workspace();
        let sources = crate::tree::sources(&root).unwrap();
        let bugs = Bug::all(&root.join("verification/mutants/bugs")).unwrap();
        assert!(bugs.len() >= 30);
        for pair in bugs.windows(2) {
            assert_ne!(pair[0].number(), pair[1].number());
        }
        for bug in bugs {
            bug.plant(&sources).unwrap();
        }
    }
}
