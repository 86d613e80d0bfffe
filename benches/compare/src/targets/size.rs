//! Lines of code of what stands between the protocol and the callers.

use std::path::Path;

use super::target::{Bound, Side, Target};
use super::{Run, cargo};
use crate::history::count;

/// Modules of the runtime in either commit: the connection, its driver, the queues of a process.
const MODULES: [&str; 4] = ["backend", "io", "link", "local"];

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let lines = |root: &Path| {
        let lines = xtask::loc::library_lines(root, "lock-runtime/src", &MODULES)?;
        anyhow::Ok(Side::from(vec![count(lines)]))
    };
    let (new, old) = (lines(&cargo::root())?, lines(&cargo::checkout(run.baseline)?)?);
    let measure = format!("lines of code of {}", MODULES.join(", "));
    Ok(vec![Target::beside(measure, &new, (run.baseline, &old), Bound::Below(1.0))])
}
