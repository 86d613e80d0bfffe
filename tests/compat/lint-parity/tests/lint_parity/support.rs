use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The features that build the functions without the attribute, and with it.
pub(super) const PLAIN: &str = "twin";
pub(super) const LOCKED: &str = "twin,locked";

/// Cargo in the workspace, with a target directory of its own: the one of the test's own run is
/// taken.
///
/// Only the example `expansion` may use what is unstable; all runs say so, because dependencies are
/// built again when it changes.
pub(super) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command.env("CARGO_TARGET_DIR", target()).env("RUSTC_BOOTSTRAP", "expansion");
    command
}

pub(super) fn output(command: &mut Command) -> Output {
    let output = command.output().expect("the command can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    output
}

pub(super) fn text(command: &mut Command) -> String {
    String::from_utf8(output(command).stdout).expect("the output is text")
}

pub(super) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).expect("the package lies three folders deep").to_owned()
}

pub(super) fn target() -> PathBuf {
    workspace().join("target/lint-parity")
}
