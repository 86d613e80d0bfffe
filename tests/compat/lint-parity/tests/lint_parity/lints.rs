//! The compiler and clippy report the same for the functions with and without the attribute.

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

use super::exceptions::{EXCEPTIONS, Exception, Side};
use super::support::{LOCKED, PLAIN, cargo, text, workspace};
use serde_json::Value;

const GROUPS: [&str; 6] = ["all", "pedantic", "nursery", "restriction", "cargo", "suspicious"];

/// One thing said, at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Diagnostic {
    lint: String,
    file: String,
    line: usize,
    column: usize,
    function: String,
    message: String,
}

#[test]
fn the_attribute_neither_adds_nor_hides_a_lint() {
    compare("lint-parity");
}

#[test]
fn nor_does_it_on_the_edition_before() {
    compare("lint-parity-2021");
}

#[test]
fn every_listed_exception_still_applies() {
    let mut differing = differences("lint-parity");
    differing.extend(differences("lint-parity-2021"));
    for exception in EXCEPTIONS {
        for place in exception.places {
            let met = differing.iter().any(|(side, diagnostic)| {
                exception.covers(*side, &diagnostic.lint, &diagnostic.function)
                    && (*place == "*" || diagnostic.function == *place)
            });
            assert!(met, "{} no longer differs in `{place}`", exception.lint);
        }
    }
}

fn compare(package: &str) {
    let plain = diagnostics(package, PLAIN);
    let kinds: BTreeSet<_> = plain.iter().map(|diagnostic| &diagnostic.lint).collect();
    println!("{package}: {} diagnostics of {} lints", plain.len(), kinds.len());
    assert!(plain.len() > 2400, "the twin is to trigger many lints: {}", plain.len());
    assert!(kinds.len() > 280, "and many kinds: {}", kinds.len());

    let unexpected = differences(package).into_iter().filter(|(side, diagnostic)| {
        let covers = |exception: &&Exception| {
            exception.covers(*side, &diagnostic.lint, &diagnostic.function)
        };
        !EXCEPTIONS.iter().any(|exception| covers(&exception))
    });
    let unexpected: Vec<_> = unexpected.collect();
    assert!(unexpected.is_empty(), "{package}: {unexpected:#?}");
}

fn differences(package: &str) -> Vec<(Side, Diagnostic)> {
    let (plain, locked) = (diagnostics(package, PLAIN), diagnostics(package, LOCKED));
    let hidden = plain.difference(&locked).map(|diagnostic| (Side::Hidden, diagnostic.clone()));
    let added = locked.difference(&plain).map(|diagnostic| (Side::Added, diagnostic.clone()));
    hidden.chain(added).collect()
}

fn diagnostics(package: &str, features: &str) -> BTreeSet<Diagnostic> {
    let mut command = cargo(&["clippy", "--quiet", "--package", package, "--example", "twin"]);
    command.env("CLIPPY_CONF_DIR", workspace().join("tests/compat/lint-parity/strict"));
    command.args(["--features", features, "--message-format=json", "--", "--cap-lints=warn"]);
    command.args(GROUPS.map(|group| format!("-Wclippy::{group}")));
    command.args(allowed_by_default().iter().map(|lint| format!("-W{lint}")));
    command.args(["-Aunknown-lints", "-Aunstable-features"]);
    let messages = text(&mut command);
    let parsed = messages.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
    parsed.filter_map(|message: Value| Diagnostic::of(&message)).collect()
}

// A lint that only a nightly compiler knows is passed too, and passed over.
fn allowed_by_default() -> Vec<String> {
    let help = text(
        Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).args(["-W", "help"]),
    );
    let lints = help.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let lint = words.next()?;
        (words.next()? == "allow").then(|| lint.to_owned())
    });
    lints.collect()
}

impl Diagnostic {
    fn of(report: &Value) -> Option<Self> {
        let of_twin = report["target"]["name"] == "twin" && report["reason"] == "compiler-message";
        let message = of_twin.then(|| &report["message"])?;
        let lint = message["code"]["code"].as_str()?;
        let spans = message["spans"].as_array()?;
        let span = spans.iter().find(|span| span["is_primary"] == true)?;
        let file = span["file_name"].as_str()?;
        let (line, column) = (number(&span["line_start"]), number(&span["column_start"]));
        Some(Self {
            lint: lint.to_owned(),
            file: file.to_owned(),
            line,
            column,
            function: function(file, line),
            message: without_size(lint, message["message"].as_str()?),
        })
    }
}

fn number(value: &Value) -> usize {
    let number = value.as_u64().expect("a place is a number");
    usize::try_from(number).expect("a place is small")
}

// The lock's own state comes on top of the body's: the same future, some bytes larger.
fn without_size(lint: &str, message: &str) -> String {
    if lint == "clippy::large_futures" {
        message.replace(|letter: char| letter.is_ascii_digit(), "")
    } else {
        message.to_owned()
    }
}

// The nearest head of a function: at the place or above it, below for an attribute or an `impl`.
fn function(file: &str, line: usize) -> String {
    let source = fs::read_to_string(workspace().join(file)).unwrap_or_default();
    let before = || source.lines().take(line);
    let here = before().last().unwrap_or_default().trim_start();
    let found = if here.starts_with("#[") || here.starts_with("impl") {
        source.lines().skip(line).find_map(name)
    } else {
        before().filter_map(name).last()
    };
    found.unwrap_or_default().to_owned()
}

fn name(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("fn ")?;
    after.split(|letter: char| !letter.is_alphanumeric() && !"_#".contains(letter)).next()
}
