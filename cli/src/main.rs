//! `distlock`: shows, waits for and releases the locks of the crate `distlock`, from a shell.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic if the reader has gone")]

mod connection;
mod doctor;
mod graph;
mod inspect;
mod list;
mod output;
mod release;
mod run;
mod signals;
mod text;
mod top;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::connection::Connection;

const DETAILS: &str = "\
URLs:
  redis://user:password@host:port/database       one server
  redis-sentinel://user:password@host,host/name  the primary that Sentinels call by this name
  redis-cluster://user:password@host,host        a cluster, by some of its nodes
  rediss://…, and the same of the others         with TLS; for a private authority, --tls-ca

Examples:
  distlock ls 'order:*'
  distlock run nightly-backup --if-busy skip -- backup.sh --full
  distlock doctor --url redis://redis.example.com/

Exit codes: 0, or 125 if something failed; those of `run` and `doctor` are in their --help.
`distlock man COMMAND` prints the man page of a command.";

/// Shows the locks of distlock in Redis, who holds them and who waits; runs commands under a lock.
#[derive(Debug, Parser)]
#[command(name = "distlock", version, after_help = DETAILS)]
struct CommandLine {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the locks that are held
    #[command(visible_alias = "list")]
    Ls(list::ListArguments),
    /// Shows one lock: its holder, and who waits for it
    Inspect(inspect::InspectArguments),
    /// Shows who waits for whom
    Graph(graph::GraphArguments),
    /// Checks the servers, and shows how to repair what is wrong
    Doctor(doctor::DoctorArguments),
    /// Shows the locks live; keys inspect and release them
    Top(top::TopArguments),
    /// Releases a lock in place of its holder, for example one that is stuck
    Release(release::ReleaseArguments),
    /// Runs a command while it holds a lock
    Run(run::RunArguments),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints a man page
    Man {
        /// A command, for the page of its options
        command: Option<String>,
    },
}

/// The command line is wrong, or the locks cannot be reached.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    let arguments = match CommandLine::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    match execute(arguments) {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn execute(CommandLine { connection, command }: CommandLine) -> anyhow::Result<ExitCode> {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "distlock", &mut script);
            output::print(script)?;
        }
        Command::Man { command } => {
            let mut all = CommandLine::command();
            // Gives each one the options that they share.
            all.build();
            let described = match &command {
                None => &all,
                Some(name) => all
                    .find_subcommand(name)
                    .with_context(|| format!("there is no command '{name}'"))?,
            };
            let mut page = Vec::new();
            clap_mangen::Man::new(described.clone()).render(&mut page)?;
            output::print(page)?;
        }
        Command::Ls(arguments) => list::list(&connection, &arguments)?,
        Command::Inspect(arguments) => inspect::inspect(&connection.open(None)?, &arguments)?,
        Command::Graph(arguments) => graph::graph(&connection.open(None)?, &arguments)?,
        Command::Doctor(arguments) => return doctor::doctor(&connection, &arguments),
        Command::Top(arguments) => top::top(connection.open(None)?, &arguments)?,
        Command::Release(arguments) => release::release(&connection.open(None)?, &arguments)?,
        Command::Run(arguments) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("no runtime could be started")?;
            return runtime.block_on(run::run(&connection, &arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}
