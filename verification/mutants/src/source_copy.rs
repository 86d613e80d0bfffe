//! A copy of the workspace, in which mutants are inserted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ignore::WalkBuilder;

use crate::mutant::Edited;

/// All files of a workspace, except those that git ignores, by their path relative to the root.
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

/// The copy. The sources are read once, so edits during a run have no effect.
pub struct SourceCopy {
    folder: PathBuf,
    sources: Edited,
    /// A file lock: two runs would modify the same copy.
    _lock: File,
}

impl SourceCopy {
    /// Copies the sources to this folder, and removes other files from it.
    pub fn new(folder: PathBuf, sources: Edited) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.with_extension("lock"))?;
        lock.try_lock().with_context(|| format!("another run uses {}", folder.display()))?;
        let copy = Self { folder, sources, _lock: lock };
        copy.update_to(&Edited::new())?;
        Ok(copy)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub const fn sources(&self) -> &Edited {
        &self.sources
    }

    /// Updates the copy to the sources with these edits. Unchanged files are not written, because
    /// cargo rebuilds by modification time.
    pub fn update_to(&self, edited: &Edited) -> Result<()> {
        for (name, content) in &self.sources {
            write(&self.folder.join(name), edited.get(name).unwrap_or(content))?;
        }
        // Such as regression files of property tests from the mutant before.
        for name in sources(&self.folder)?.keys() {
            if !self.sources.contains_key(name) && name != Path::new("Cargo.lock") {
                remove(&self.folder, name)?;
            }
        }
        Ok(())
    }
}

/// Removes a file and folders that become empty, in which cargo would look for workspace members.
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
mod tests;
