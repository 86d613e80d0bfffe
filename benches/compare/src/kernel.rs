//! What the kernel reports about a process.

use anyhow::Context as _;
use procfs::process::Process;

/// Bytes of memory of this process that are resident.
pub fn resident() -> anyhow::Result<u64> {
    let kib = Process::myself()?.status()?.vmrss.context("no VmRSS line")?;
    Ok(kib * 1024)
}

/// How often threads of a process have gone to sleep so far, and so have been woken up.
pub fn sleeps(process: u32) -> anyhow::Result<u64> {
    let process = Process::new(i32::try_from(process)?)?;
    let sleeps = process.tasks()?.map(|task| {
        let switches = task?.status()?.voluntary_ctxt_switches;
        switches.context("the kernel does not count context switches")
    });
    sleeps.sum()
}
