//! Programs that are built for a measurement: this one at another commit, and the one that counts
//! its heap.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

const MANIFEST: &str = "benches/compare/Cargo.toml";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The working tree of another commit, below the target directory.
pub fn checkout(commit: &str) -> anyhow::Result<PathBuf> {
    let revision = format!("{commit}^{{commit}}");
    let id = git(&["rev-parse", "--short=12", "--verify", &revision])?;
    let folder = target_folder()?.join("baseline").join(&id);
    if !folder.join(MANIFEST).exists() {
        let path = folder.to_str().context("the target directory has a name in UTF-8")?;
        // Forget one that was deleted.
        git(&["worktree", "prune"])?;
        git(&["worktree", "add", "--detach", path, &id])?;
    }
    Ok(folder)
}

/// This program at another commit.
pub fn compare_at(commit: &str) -> anyhow::Result<PathBuf> {
    let folder = checkout(commit)?;
    build(&folder, &folder.join("target"), "compare")
}

/// The program that counts its heap. Counting slows down, so the others do not count.
pub fn heap() -> anyhow::Result<PathBuf> {
    build(&root(), &target_folder()?, "heap")
}

fn build(root: &Path, target: &Path, program: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--quiet", "--bin", program]);
    command.arg("--manifest-path").arg(root.join(MANIFEST)).arg("--target-dir").arg(target);
    let status = command.stdin(Stdio::null()).status().context("cargo does not start")?;
    ensure!(status.success(), "{program} could not be built in {}", root.display());
    Ok(target.join("release").join(program))
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root()).args(arguments).stdin(Stdio::null());
    let output = command.output().context("git does not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), errors.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The one that this program was built in.
fn target_folder() -> anyhow::Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.ancestors().nth(2).context("the program is in a target directory")?;
    Ok(folder.to_owned())
}
