//! The memory of this process.

use std::fs;

use anyhow::Context as _;

/// Bytes of memory that are resident, as the kernel reports them.
pub fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("only Linux is measured")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS line")?;
    Ok(kib.parse::<u64>()? * 1024)
}
