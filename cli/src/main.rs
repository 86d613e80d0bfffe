//! `distlock`: shows, waits for and releases the locks of the crate `distlock`, from a shell.

mod connection;
mod doctor;
mod graph;
mod inspect;
mod list;
mod release;
mod run;
mod signals;
mod text;
mod top;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::connection::Connection;

const DETAILS: &str = "\
URLs:
  redis://user:password@host:port/database       one server
  redis-sentinel://user:password@host,host/name  the primary that Sentinels call by this name
  redis-cluster://user:password@host,host        a cluster, by some of its nodes
  rediss://…, and the same of the others         with TLS

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
    Completions { shell: clap_complete::Shell },
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
        // The reader of the output has seen enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("distlock: {}", as_typed(&format!("{error:#}")));
            ExitCode::from(FAILED)
        }
    }
}

fn execute(CommandLine { connection, command }: CommandLine) -> anyhow::Result<ExitCode> {
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut CommandLine::command(),
                "distlock",
                &mut io::stdout(),
            );
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
            io::stdout().write_all(&page)?;
        }
        Command::Ls(arguments) => list::list(&connection.open(None)?, &arguments)?,
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

/// An error of the library names what a program calls.
fn as_typed(error: &str) -> String {
    error.replace(
        "set `sentinel_credentials`",
        "set DISTLOCK_SENTINEL_USER and DISTLOCK_SENTINEL_PASSWORD",
    )
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
