//! Lines have at most 100 columns.
//!
//! Rust, Lua, TOML, shell and YAML files. Not Markdown: editors and GitHub wrap its paragraphs, a
//! table row and a link cannot be broken, and a re-wrapped paragraph hides its change in a diff.
//! Not snapshots (`*.expanded.rs`, `snapshots/`), which tests write. A URL may be as long as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use ignore::WalkBuilder;

use super::Finding;

const WIDTH: usize = 100;
const CHECKED: [&str; 6] = ["rs", "lua", "toml", "sh", "yml", "yaml"];

/// Finds longer lines in the files below `root` that git does not ignore.
///
/// # Errors
///
/// If a file cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // `.github` and `.cargo` are hidden and ours, `.git` is not.
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || !is_checked(path) {
            continue;
        }
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.strip_prefix(root)?;
        findings.extend(too_long(&text).map(|(line, width)| Finding {
            file: file.to_owned(),
            line,
            rule: "line-width",
            message: format!("{width} columns, and {WIDTH} fit into a side-by-side diff: wrap it"),
        }));
    }
    Ok(findings)
}

fn is_checked(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default();
    let is_snapshot = name.ends_with(".expanded.rs")
        || path.components().any(|part| part.as_os_str() == "snapshots");
    CHECKED.iter().any(|checked| extension == *checked) && !is_snapshot
}

fn too_long(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let width = line.chars().count();
        if line.trim_start_matches([' ', '/', '!']).starts_with('|') {
            return None;
        }
        let unbreakable: usize = line
            .split_whitespace()
            .filter(|word| word.contains("://"))
            .map(|word| word.chars().count())
            .sum();
        (width - unbreakable > WIDTH).then_some((index + 1, width))
    })
}
