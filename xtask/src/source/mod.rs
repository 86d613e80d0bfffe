//! A crate as its compiler sees it: files, modules, what each module defines, imports and names.
//!
//! Modules are found by their `mod` declarations from `lib.rs` on, so that a file which only tests
//! use is known as such. Macro output is not seen.

mod load;
mod references;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use ignore::WalkBuilder;

pub use load::load;
pub use resolve::{Resolved, Target};

/// Index of a module of its crate.
pub type ModuleId = usize;
/// Index of a file of its crate.
pub type FileId = usize;

/// One crate, parsed.
#[derive(Debug, Default)]
pub struct Crate {
    /// Every file that a module is in, `lib.rs` first.
    pub files: Vec<SourceFile>,
    /// Every module, the crate root first.
    pub modules: Vec<Module>,
}

/// One file of a crate.
#[derive(Debug)]
pub struct SourceFile {
    /// From the root of the repository.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// Compiled for tests only.
    pub test_only: bool,
}

/// One module, in a file of its own or inside another one.
#[derive(Debug)]
pub struct Module {
    /// Its name, from the crate root; empty for the root itself.
    pub path: Vec<String>,
    /// The file it is written in.
    pub file: FileId,
    /// The module around it.
    pub parent: Option<ModuleId>,
    /// Compiled for tests only.
    pub test_only: bool,
    /// The line of an inline module.
    pub inline_at: Option<usize>,
    /// The modules inside.
    pub children: BTreeMap<String, ModuleId>,
    /// What it defines, without its modules.
    pub definitions: Vec<Definition>,
    /// Names that it imports or re-exports at its top level.
    pub bindings: Vec<Binding>,
    /// Every path of the crate that its code names, imports included.
    pub references: Vec<Reference>,
    /// The types of its inherent `impl` blocks.
    pub implements: Vec<Vec<String>>,
    /// Lines on which a test is defined.
    pub tests: Vec<usize>,
}

/// A named item.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// A struct, enum, union, trait or type alias.
    pub is_type: bool,
    /// Compiled for tests only.
    pub test_only: bool,
}

/// What an import brings into the scope of its module.
#[derive(Debug)]
pub struct Binding {
    /// The name, or none of a glob import.
    pub name: Option<String>,
    /// What it stands for, as it is written.
    pub path: Vec<String>,
    /// Compiled only in some configurations: the module then chooses what the name stands for, and
    /// counts as the one that defines it.
    pub conditional: bool,
}

/// A path with at least two segments, or an import.
#[derive(Debug)]
pub struct Reference {
    /// As it is written.
    pub path: Vec<String>,
    /// Where.
    pub line: usize,
    /// How it is used.
    pub kind: ReferenceKind,
    /// Compiled for tests only.
    pub test_only: bool,
    /// An import under a `cfg` other than that for tests.
    pub conditional: bool,
}

/// How a path is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// `use a::b;`
    Import,
    /// `use a::*;`
    Glob,
    /// `a::b` in code.
    Inline,
}

impl Crate {
    /// The name of a module as code writes it.
    #[must_use]
    pub fn name(&self, module: ModuleId) -> String {
        let segments = std::iter::once("crate");
        let path = self.modules[module].path.iter().map(String::as_str);
        segments.chain(path).collect::<Vec<_>>().join("::")
    }
}

/// The folders `src` of the repository that hold a crate.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn crates(root: &Path) -> Result<Vec<String>> {
    let mut folders = BTreeSet::new();
    for entry in WalkBuilder::new(root).require_git(false).build() {
        let entry = entry?;
        let Some(folder) = entry.path().parent() else { continue };
        let is_root = entry.file_name() == "lib.rs" || entry.file_name() == "main.rs";
        if is_root && folder.ends_with("src") {
            folders.insert(folder.strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(folders.into_iter().collect())
}
