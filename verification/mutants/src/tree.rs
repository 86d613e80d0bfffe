//! A copy of the workspace, in which bugs are planted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ignore::WalkBuilder;

use crate::bug::Edited;

/// All files of a workspace but those that git ignores, by their paths from its root.
pub fn sources(root: &Path) -> Result<Edited> {
    let mut sources = Edited::new();
    let mut walk = WalkBuilder::new(root);
    // Hidden folders count: a `.cargo/config.toml` sets the cfg of a suite.
    walk.require_git(false).parents(false).hidden(false);
    for entry in walk.filter_entry(|entry| entry.file_name() != ".git").build() {
        let path = entry?.into_path();
        if path.is_file() {
            let name = path.strip_prefix(root).context("a walk stays below its root")?;
            let content = fs::read(&path).with_context(|| format!("{}", path.display()))?;
            sources.insert(name.to_owned(), content);
        }
    }
    Ok(sources)
}

/// The copy. What it is a copy of was read once: work on the sources does not disturb a hunt.
pub struct Tree {
    folder: PathBuf,
    sources: Edited,
    /// Locked while this lives: two hunts would plant bugs into each other's copy.
    _alone: File,
}

impl Tree {
    /// A copy of these sources in this folder, whatever was there before.
    pub fn new(folder: PathBuf, sources: Edited) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let alone = File::create(folder.with_extension("lock"))?;
        alone.try_lock().with_context(|| format!("another hunt is in {}", folder.display()))?;
        let tree = Self { folder, sources, _alone: alone };
        tree.bring_to(&Edited::new())?;
        Ok(tree)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is a copy of.
    pub const fn sources(&self) -> &Edited {
        &self.sources
    }

    /// Makes it a copy of the sources with these files edited. A file that is so already is not written: cargo goes by the
    /// times of the files, and builds anew only what a bug changes or the one before has changed.
    pub fn bring_to(&self, edited: &Edited) -> Result<()> {
        for (name, content) in &self.sources {
            write(&self.folder.join(name), edited.get(name).unwrap_or(content))?;
        }
        // Such as regression files of property tests that the bug before has left.
        for name in sources(&self.folder)?.keys() {
            if !self.sources.contains_key(name) && name != Path::new("Cargo.lock") {
                remove(&self.folder, name)?;
            }
        }
        Ok(())
    }
}

/// Removes a file and the folders that are empty then, which cargo would look for members in.
fn remove(root: &Path, name: &Path) -> Result<()> {
    fs::remove_file(root.join(name))?;
    let folders = name.ancestors().skip(1).filter(|folder| *folder != Path::new(""));
    for folder in folders {
        if fs::remove_dir(root.join(folder)).is_err() {
            break;
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|before| before == content) {
        return Ok(());
    }
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, content).with_context(|| format!("{}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(of: &[(&str, &str)]) -> Edited {
        of.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn sources_are_what_git_would_keep() {
        let root = tempfile::tempdir().unwrap();
        let kept = [("a/b.rs", "b"), ("a/.cargo/config.toml", "c"), (".gitignore", "/target\n")];
        let of = [&kept[..], &[("target/x", "x"), (".git/y", "y")]].concat();
        for (name, content) in of {
            write(&root.path().join(name), content.as_bytes()).unwrap();
        }
        assert_eq!(sources(root.path()).unwrap(), files(&kept));
    }

    #[test]
    fn a_bug_is_planted_and_gone_again_and_other_files_stay_untouched() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tree");
        let tree = Tree::new(folder.clone(), files(&[("a.rs", "a"), ("b/c.rs", "c")])).unwrap();
        let written = |name: &str| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
        let before = written("a.rs");
        tree.bring_to(&files(&[("b/c.rs", "bug")])).unwrap();
        assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a"), ("b/c.rs", "bug")]));
        tree.bring_to(&Edited::new()).unwrap();
        assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a"), ("b/c.rs", "c")]));
        assert_eq!(written("a.rs"), before);
    }

    #[test]
    fn what_a_suite_left_behind_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tree");
        let tree = Tree::new(folder.clone(), files(&[("a.rs", "a")])).unwrap();
        write(&folder.join("regressions/a.txt"), b"seed").unwrap();
        tree.bring_to(&Edited::new()).unwrap();
        assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a")]));
        assert!(!folder.join("regressions").exists());
    }

    #[test]
    fn two_hunts_do_not_share_a_copy() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tree");
        let first = Tree::new(folder.clone(), Edited::new()).unwrap();
        assert!(Tree::new(folder.clone(), Edited::new()).is_err());
        drop(first);
        assert!(Tree::new(folder, Edited::new()).is_ok());
    }
}
