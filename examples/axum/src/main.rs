//! Several processes serve the same accounts over HTTP: `cargo run -p axum-example -- tour`
//!
//! `accounts.rs`, `http.rs` and `serve.rs` are the service. A withdrawal locks its account; the
//! reply is 409 with `Retry-After` and the holder if the account is busy. `tour` starts two
//! processes and shows what clients see, also when one of them disconnects, a process ends or the
//! lock server is gone. `load` starts three processes and puts them under load with `wrk`.

#![allow(missing_docs, reason = "a program")]

mod accounts;
mod http;
mod load;
mod processes;
mod serve;
#[path = "../../support/mod.rs"]
mod support;
mod tour;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Accounts over HTTP, under distributed locks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run one process of the service
    Serve(serve::Settings),
    /// Start two processes and show what clients see
    Tour,
    /// Start three processes and load them with wrk
    Load(load::Load),
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Arguments::parse().task {
        Task::Serve(options) => serve::serve(&options),
        Task::Tour => tour::run(),
        Task::Load(options) => load::run(&options),
    }
}
