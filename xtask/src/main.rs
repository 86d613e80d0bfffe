//! `cargo xtask`: checks and counts of this repository.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{book, figures, footprint, loc, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check layers, imports, circles of files, type names, line widths and the place of unit tests
    Tidy {
        /// Another checkout of the repository than this one
        root: Option<PathBuf>,
    },
    /// Build docs/ as a book under target/book, and check its links
    Book,
    /// Write the diagrams of docs/
    Figures,
    /// Print the crates, the processor time of a build from nothing and the size of the binary of a
    /// program with one function
    Footprint {
        /// Other checkouts of the repository than this one, which are built in turns
        roots: Vec<PathBuf>,
        /// How often each is built; the medians are printed
        #[arg(long, default_value_t = 1)]
        rounds: usize,
    },
    /// Count files and lines of code by part and layer, next to the budget of ARCHITECTURE.md
    Loc {
        /// Another checkout of the repository than this one
        root: Option<PathBuf>,
    },
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Tidy { root } => {
            let findings = tidy::check(&root.unwrap_or_else(repository))?;
            for finding in &findings {
                println!("{finding}");
            }
            if findings.is_empty() {
                println!("tidy: no findings");
                return Ok(ExitCode::SUCCESS);
            }
            let counts: Vec<String> = tidy::by_rule(&findings)
                .iter()
                .map(|(rule, count)| format!("{count} {rule}"))
                .collect();
            println!("tidy: {} findings ({})", findings.len(), counts.join(", "));
            Ok(ExitCode::FAILURE)
        }
        Task::Book => {
            println!("{}", book::build(&repository())?.join("index.html").display());
            Ok(ExitCode::SUCCESS)
        }
        Task::Figures => {
            figures::write(&repository())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Footprint { roots, rounds } => {
            let roots = if roots.is_empty() { vec![repository()] } else { roots };
            let work = repository().join("target/footprint");
            println!("crates   dev, s   release, s   binary, bytes");
            for (root, found) in roots.iter().zip(footprint::measure(&roots, rounds, &work)?) {
                let footprint::Footprint { crates, dev, release, bytes } = found;
                println!(
                    "{crates:>6}   {dev:>6.1}   {release:>10.1}   {bytes:>13}   {}",
                    root.display()
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Loc { root } => {
            print!("{}", loc::table(&root.unwrap_or_else(repository))?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
