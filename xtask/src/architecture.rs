//! What ARCHITECTURE.md says in a form that a program can read: the layers and the budget.
//!
//! Both are fenced code blocks, marked by the word after the fence:
//!
//! ````text
//! ```layers
//! 1 types      what everything else is made of
//! 2 user_code  where the code of users is called
//! ```
//!
//! ```budget
//! runtime  lock-runtime/src  7500 lines  60 files
//! ```
//! ````

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// The file that both blocks are in.
pub const FILE: &str = "ARCHITECTURE.md";

/// The layers of the runtime, the lowest first. Each is one top-level module.
#[derive(Debug, Default)]
pub struct Layers {
    modules: Vec<String>,
}

impl Layers {
    /// The number of a top-level module, counted from 1.
    #[must_use]
    pub fn number(&self, module: &str) -> Option<usize> {
        self.modules.iter().position(|layer| layer == module).map(|index| index + 1)
    }

    /// The modules, the lowest layer first.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(String::as_str)
    }
}

/// How large one part of the repository may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget {
    /// What the table calls this part.
    pub name: String,
    /// The folder of its sources, from the root of the repository.
    pub folder: String,
    /// The most lines of code.
    pub lines: usize,
    /// The most files.
    pub files: usize,
}

/// Reads the layers.
///
/// # Errors
///
/// If the file or the block is missing, or a line has another form.
pub fn layers(root: &Path) -> Result<Layers> {
    let mut modules: Vec<String> = Vec::new();
    for line in block(root, "layers")? {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let (Some(number), Some(module)) = (number, words.next()) else {
            bail!("{FILE}: in the block `layers`, write `NUMBER MODULE DESCRIPTION`, not `{line}`");
        };
        ensure!(
            number == modules.len() + 1,
            "{FILE}: layer {number} follows layer {}: number the layers from 1",
            modules.len()
        );
        ensure!(!modules.iter().any(|known| known == module), "{FILE}: `{module}` is listed twice");
        modules.push(module.to_owned());
    }
    Ok(Layers { modules })
}

/// Reads the budget.
///
/// # Errors
///
/// If the file or the block is missing, or a line has another form.
pub fn budgets(root: &Path) -> Result<Vec<Budget>> {
    block(root, "budget")?
        .iter()
        .map(|line| {
            budget(line).with_context(|| {
                format!("{FILE}: in the block `budget`, write `NAME FOLDER N lines N files`")
            })
        })
        .collect()
}

fn budget(line: &str) -> Result<Budget> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, folder, lines, "lines", files, "files"] = words[..] else {
        bail!("cannot read `{line}`");
    };
    Ok(Budget {
        name: name.to_owned(),
        folder: folder.to_owned(),
        lines: lines.parse()?,
        files: files.parse()?,
    })
}

fn read(root: &Path) -> Result<String> {
    let path = root.join(FILE);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn block(root: &Path, name: &str) -> Result<Vec<String>> {
    let text = read(root)?;
    let fence = format!("```{name}");
    let mut lines = text.lines().skip_while(|line| line.trim() != fence);
    ensure!(lines.next().is_some(), "{FILE} has no block that starts with {fence}");
    let block = lines.take_while(|line| line.trim() != "```");
    Ok(block.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// A file, and maybe a function in it, that the page names as `` `io/link.rs::send` ``.
#[derive(Debug, PartialEq, Eq)]
pub struct Mention {
    /// The line of the page.
    pub line: usize,
    /// The file, from the sources of the runtime or the root of the repository.
    pub file: String,
    /// The function.
    pub function: Option<String>,
}

/// The files and functions that the page names. A name without a folder is not one.
///
/// # Errors
///
/// If the file is missing.
pub fn mentions(root: &Path) -> Result<Vec<Mention>> {
    let mut mentions = Vec::new();
    for (index, line) in read(root)?.lines().enumerate() {
        for code in line.split('`').skip(1).step_by(2) {
            let (file, function) = match code.split_once("::") {
                Some((file, function)) => (file, Some(function.to_owned())),
                None => (code, None),
            };
            let is_source = [".rs", ".lua"].iter().any(|end| file.ends_with(end));
            if is_source && file.contains('/') {
                mentions.push(Mention { line: index + 1, file: file.to_owned(), function });
            }
        }
    }
    Ok(mentions)
}
