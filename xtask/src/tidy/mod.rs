//! Rules of this repository that neither the compiler nor clippy checks.
//!
//! In `lock-runtime/src`: the order of the layers and imports from the defining module
//! ([`imports`]), and no circles of files ([`cycles`]). In all crates: no type name twice
//! ([`type_names`]). In the published crates: unit tests in files of their own ([`unit_tests`]).
//! Everywhere: lines of at most 100 columns ([`line_width`]).

pub mod cycles;
pub mod imports;
pub mod line_width;
pub mod page;
pub mod type_names;
pub mod unit_tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::architecture;
use crate::source::{self, Crate};

/// The crate that is made of layers.
const LAYERED: &str = "lock-runtime/src";
/// The crates that users depend on.
const PUBLISHED: [&str; 3] = ["src", "lock-macros/src", LAYERED];

/// One line that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// From the root of the repository.
    pub file: PathBuf,
    /// The first is 1.
    pub line: usize,
    /// The name of the rule.
    pub rule: &'static str,
    /// What is wrong, why, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.file.display(), self.line, self.rule, self.message)
    }
}

/// Checks the repository at `root`.
///
/// # Errors
///
/// If a source file cannot be read or parsed, or ARCHITECTURE.md has no list of layers.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let layers = architecture::layers(root)?;
    let mut findings = line_width::check(root)?;
    findings.extend(page::check(root)?);
    for folder in source::crates(root)? {
        let crate_ = source::load(root, &folder)?;
        if folder == LAYERED {
            findings.extend(imports::check(&crate_, &layers));
            findings.extend(cycles::check(&crate_));
        }
        if PUBLISHED.contains(&folder.as_str()) {
            findings.extend(unit_tests::check(&crate_));
        }
        findings.extend(type_names::check(&crate_));
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

impl Finding {
    fn new(
        crate_: &Crate,
        module: source::ModuleId,
        line: usize,
        rule: &'static str,
        message: String,
    ) -> Self {
        let file = crate_.files[crate_.modules[module].file].path.clone();
        Self { file, line, rule, message }
    }
}

/// How many findings there are of each rule.
#[must_use]
pub fn by_rule(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule).or_default() += 1;
    }
    counts
}
