//! Plants bugs into a copy of the sources, one at a time, and runs the tests there until one finds it.
//!
//! The bugs are files in `bugs`, each with the edits that make it: the library's text stays free of them, and no user can
//! come across one. The copy and what is built from it are in `target/mutants`.

mod bug;
mod cargo;
mod hunt;
mod options;
mod outcome;
mod results;
mod suite;
mod table;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use self::bug::Bug;
use self::cargo::Cargo;
use self::hunt::{Hunt, Verdict};
use self::options::{Mode, Options};
use self::results::Results;
use self::suite::Suite;
use self::tree::{Tree, sources};

fn main() -> ExitCode {
    run(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    let root = workspace();
    let mut bugs = Bug::all(&root.join("verification/mutants/bugs"))?;
    bugs.retain(|bug| is_wanted(bug, &options.only));
    ensure!(!bugs.is_empty(), "no such bug");
    match options.mode() {
        Mode::List => list(&bugs),
        Mode::Check => check(&root, &bugs)?,
        Mode::Compile => compile(&prepared(&root, options)?, &bugs)?,
        Mode::Hunt => return hunt(&root, options, &bugs),
    }
    Ok(ExitCode::SUCCESS)
}

/// The root of the workspace that this is built from.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders below its workspace").to_owned()
}

fn is_wanted(bug: &Bug, only: &[String]) -> bool {
    let number = |text: &str| text.trim_start_matches('0').to_owned();
    only.is_empty() || only.iter().any(|wanted| number(wanted) == number(bug.number()))
}

fn list(bugs: &[Bug]) {
    for bug in bugs {
        let suites: Vec<_> = bug.suites.iter().map(|suite| suite.name()).collect();
        println!("{}: {} ({})", bug.name, bug.title, suites.join(", "));
    }
}

fn check(root: &Path, bugs: &[Bug]) -> Result<()> {
    let sources = sources(root)?;
    for bug in bugs {
        bug.plant(&sources)?;
    }
    println!("{} bugs fit the sources", bugs.len());
    Ok(())
}

fn prepared(root: &Path, options: &Options) -> Result<Hunt> {
    let folder = root.join("target/mutants");
    let tree = Tree::new(folder.join("tree"), sources(root)?)?;
    let cargo = Cargo {
        tree: tree.folder().to_owned(),
        build: folder.join("build"),
        logs: folder.join("logs"),
    };
    let (effort, limit) = (options.effort(), options.time_limit);
    let results = Results { folder: folder.join("results") };
    if options.afresh {
        results.forget()?;
    }
    Ok(Hunt { tree, cargo, effort, limit, suites: options.suites.clone(), results })
}

fn compile(hunt: &Hunt, bugs: &[Bug]) -> Result<()> {
    let bar = progress(bugs.len());
    let mut failed = Vec::new();
    for bug in bugs {
        bar.set_message(bug.name.clone());
        if let Err(error) = hunt.compile(bug) {
            bar.suspend(|| println!("{}: {error:#}", bug.name));
            failed.push(bug.name.as_str());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    ensure!(failed.is_empty(), "these do not build: {}", failed.join(", "));
    println!("the library builds with each of {} bugs", bugs.len());
    Ok(())
}

fn hunt(root: &Path, options: &Options, bugs: &[Bug]) -> Result<ExitCode> {
    let hunt = prepared(root, options)?;
    let looked_for: Vec<&Bug> = bugs.iter().filter(|bug| !hunt.suites_of(bug).is_empty()).collect();
    let suites: BTreeSet<Suite> = looked_for.iter().flat_map(|bug| hunt.suites_of(bug)).collect();
    let suites: Vec<Suite> = suites.into_iter().filter(|_| !options.no_control).collect();
    let bar = progress(suites.len() + looked_for.len());
    for &suite in &suites {
        hunt.control(suite, &|what| bar.set_message(what.to_owned()))?;
        bar.suspend(|| println!("control: {} finds nothing", suite.name()));
        bar.inc(1);
    }
    let alive = hunt_all(&hunt, &looked_for, &bar);
    bar.finish_and_clear();
    if let Some(path) = &options.table {
        write_table(&hunt, bugs, path)?;
    }
    println!("{} of {} bugs were found", looked_for.len() - alive, looked_for.len());
    Ok(if alive == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Hunts them one after the other; how many were not found.
fn hunt_all(hunt: &Hunt, bugs: &[&Bug], bar: &ProgressBar) -> usize {
    let mut alive = 0;
    for bug in bugs {
        // One that cannot be looked for, as its file does not fit any more, must not keep the others.
        let verdict = hunt.hunt(bug, &|what| bar.set_message(what.to_owned()));
        alive += usize::from(verdict.as_ref().map_or(true, |verdict| verdict.kill.is_none()));
        bar.suspend(|| match verdict {
            Ok(verdict) => println!("{}: {verdict}", bug.name),
            Err(error) => println!("{}: error: {error:#}", bug.name),
        });
        bar.inc(1);
    }
    alive
}

/// Writes what this run and those before it know of the bugs.
fn write_table(hunt: &Hunt, bugs: &[Bug], path: &Path) -> Result<()> {
    let recall = |bug| Ok((bug, hunt.recall(bug)?));
    let verdicts = bugs.iter().map(recall).collect::<Result<Vec<(&Bug, Verdict)>>>()?;
    let text = table::markdown(&verdicts, &hunt.controlled(), hunt.effort);
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {elapsed} {msg}");
    bar.set_style(style.expect("the template is fixed"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
