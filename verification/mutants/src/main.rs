//! Plants mutants into a copy of the sources, one at a time, and runs the tests there until one
//! finds it.
//!
//! The mutants are files in `mutants`, each with the edits that make it: the library's text stays
//! free of them, and no user can come across one. The copy and what is built from it are in
//! `target/mutants`.

mod cargo;
mod mutant;
mod options;
mod outcome;
mod results;
mod runner;
mod source_copy;
mod suite;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use self::cargo::Cargo;
use self::mutant::Mutant;
use self::options::{Mode, Options};
use self::results::Results;
use self::runner::{MutantResult, Runner};
use self::source_copy::{SourceCopy, sources};
use self::suite::Suite;

fn main() -> ExitCode {
    run(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    let root = workspace();
    let mut mutants = Mutant::all(&root.join("verification/mutants/bugs"))?;
    mutants.retain(|mutant| is_wanted(mutant, &options.only));
    ensure!(!mutants.is_empty(), "no such bug");
    match options.mode() {
        Mode::List => list(&mutants),
        Mode::Check => check(&root, &mutants)?,
        Mode::Compile => compile(&prepared(&root, options)?, &mutants)?,
        Mode::Run => return run_mutants(&root, options, &mutants),
    }
    Ok(ExitCode::SUCCESS)
}

fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders below the workspace").to_owned()
}

fn is_wanted(mutant: &Mutant, only: &[String]) -> bool {
    let number = |text: &str| text.trim_start_matches('0').to_owned();
    only.is_empty() || only.iter().any(|wanted| number(wanted) == number(mutant.number()))
}

fn list(mutants: &[Mutant]) {
    for mutant in mutants {
        let suites: Vec<_> = mutant.suites.iter().map(|suite| suite.name()).collect();
        println!("{}: {} ({})", mutant.name, mutant.title, suites.join(", "));
    }
}

fn check(root: &Path, mutants: &[Mutant]) -> Result<()> {
    let sources = sources(root)?;
    for mutant in mutants {
        mutant.apply_to(&sources)?;
    }
    println!("{} mutants fit the sources", mutants.len());
    Ok(())
}

fn prepared(root: &Path, options: &Options) -> Result<Runner> {
    let folder = root.join("target/mutants");
    let copy = SourceCopy::new(folder.join("tree"), sources(root)?)?;
    let cargo = Cargo {
        copy: copy.folder().to_owned(),
        build: folder.join("build"),
        logs: folder.join("logs"),
    };
    let (effort, limit) = (options.effort(), options.time_limit);
    let results = Results { folder: folder.join("results") };
    if options.fresh {
        results.clear()?;
    }
    let (suites, commit) = (options.suites.clone(), commit(root)?);
    Ok(Runner { copy, cargo, effort, limit, suites, results, commit })
}

fn compile(runner: &Runner, mutants: &[Mutant]) -> Result<()> {
    let bar = progress(mutants.len());
    let mut failed = Vec::new();
    for mutant in mutants {
        bar.set_message(mutant.name.clone());
        if let Err(error) = runner.compile(mutant) {
            bar.suspend(|| println!("{}: {error:#}", mutant.name));
            failed.push(mutant.name.as_str());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    ensure!(failed.is_empty(), "these do not build: {}", failed.join(", "));
    println!("the library builds with each of {} bugs", mutants.len());
    Ok(())
}

fn run_mutants(root: &Path, options: &Options, mutants: &[Mutant]) -> Result<ExitCode> {
    let runner = prepared(root, options)?;
    let looked_for: Vec<&Mutant> =
        mutants.iter().filter(|mutant| !runner.suites_of(mutant).is_empty()).collect();
    let suites: BTreeSet<Suite> =
        looked_for.iter().flat_map(|mutant| runner.suites_of(mutant)).collect();
    let suites: Vec<Suite> = suites.into_iter().filter(|_| !options.no_control).collect();
    let bar = progress(suites.len() + looked_for.len());
    for &suite in &suites {
        runner.control(suite, &|what| bar.set_message(what.to_owned()))?;
        bar.suspend(|| println!("control: {} detects nothing", suite.name()));
        bar.inc(1);
    }
    let alive = run_all(&runner, &looked_for, &bar);
    bar.finish_and_clear();
    if let Some(path) = &options.table {
        write_table(&runner, mutants, path)?;
    }
    println!("{} of {} mutants were detected", looked_for.len() - alive, looked_for.len());
    Ok(if alive == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests the mutants one after the other. Returns how many survived.
fn run_all(runner: &Runner, mutants: &[&Mutant], bar: &ProgressBar) -> usize {
    let mut alive = 0;
    for mutant in mutants {
        // An error, such as an edit that does not fit any more, does not stop the others.
        let result = runner.test(mutant, &|what| bar.set_message(what.to_owned()));
        alive += usize::from(result.as_ref().map_or(true, |result| result.detection.is_none()));
        bar.suspend(|| match result {
            Ok(result) => println!("{}: {result}", mutant.name),
            Err(error) => println!("{}: error: {error:#}", mutant.name),
        });
        bar.inc(1);
    }
    alive
}

/// Writes the results of this run and of earlier ones.
fn write_table(runner: &Runner, mutants: &[Mutant], path: &Path) -> Result<()> {
    let recall = |mutant| Ok((mutant, runner.latest_result(mutant)?));
    let verdicts = mutants.iter().map(recall).collect::<Result<Vec<(&Mutant, MutantResult)>>>()?;
    let text = table::markdown(&verdicts, &runner.clean_suites(), runner.effort);
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// The last commit that changed the library.
fn commit(root: &Path) -> Result<String> {
    let library = ["log", "-1", "--format=%h", "--", "src", "lock-runtime", "lock-macros"];
    let output = Command::new("git").args(library).current_dir(root).output();
    let output = output.context("git could not be started")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {elapsed} {msg}");
    bar.set_style(style.expect("the template is fixed"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
