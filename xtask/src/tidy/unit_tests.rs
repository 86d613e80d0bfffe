//! Unit tests are in `tests.rs` or a folder `tests/` next to their subject.
//!
//! A reader of the library then reads library code only, and its size can be counted by file.

use std::path::Path;

use super::Finding;
use crate::source::Crate;

/// Finds tests in files of the library.
#[must_use]
pub fn check(crate_: &Crate) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, module) in crate_.modules.iter().enumerate() {
        let path = &crate_.files[module.file].path;
        if is_for_tests(path) {
            continue;
        }
        let inline = module.inline_at.filter(|_| module.test_only);
        let lines = match inline {
            Some(line) => vec![line],
            None => module.tests.clone(),
        };
        for line in lines {
            let message = format!(
                "a unit test among library code: move it to {}",
                suggestion(path, module.path.is_empty()).display()
            );
            findings.push(Finding::new(crate_, id, line, "unit-tests", message));
        }
    }
    findings
}

fn is_for_tests(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn suggestion(path: &Path, is_root: bool) -> std::path::PathBuf {
    let is_folder = path.file_name().is_some_and(|name| name == "mod.rs");
    if is_root || is_folder {
        path.with_file_name("tests.rs")
    } else {
        path.with_extension("").join("tests.rs")
    }
}
