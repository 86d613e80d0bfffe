//! The files and functions that ARCHITECTURE.md names exist.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::{Finding, LAYERED};
use crate::architecture::{self, FILE, Mention};

/// Finds names in the page that lead nowhere.
///
/// # Errors
///
/// If the page cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let wrong = architecture::mentions(root)?.into_iter().filter_map(|mention| {
        let message = problem(root, &mention)?;
        Some(Finding { file: FILE.into(), line: mention.line, rule: "page", message })
    });
    Ok(wrong.collect())
}

fn problem(root: &Path, mention: &Mention) -> Option<String> {
    let Mention { file, function, .. } = mention;
    let text = [LAYERED, ""]
        .iter()
        .find_map(|folder| fs::read_to_string(root.join(folder).join(file)).ok());
    match (text, function) {
        (None, _) => Some(format!("there is no `{file}`: name the file that took its place")),
        (Some(text), Some(function)) if !defines(&text, function) => {
            Some(format!("`{file}` has no function `{function}`: name the one that does this now"))
        }
        _ => None,
    }
}

fn defines(text: &str, function: &str) -> bool {
    [format!("fn {function}("), format!("fn {function}<")].iter().any(|start| text.contains(start))
}
