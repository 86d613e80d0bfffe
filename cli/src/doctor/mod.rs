//! `distlock doctor`: what is wrong with the servers.

mod collect;
mod facts;
mod findings;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use crate::connection::Connection;
use crate::doctor::collect::Url;
use crate::doctor::findings::{Finding, Level, examine};
use crate::text::plain;

const LONG: &str = "\
It connects as the library does, acquires a lock and releases it, and reads INFO, CONFIG, SLOWLOG, \
the names of keys, and what Sentinels and cluster nodes say. It changes no setting. What the user \
of the URL may not read is reported as such: use the URL of an administrator to know all.

Each finding has the line that repairs it. CONFIG SET lasts until the server restarts: CONFIG \
REWRITE writes it to the server's file.

Exit codes:
  0    nothing was found
  1    something was found, or could not be read
  125  the URL cannot be used";

const FOUND: u8 = 1;

#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub struct DoctorArguments {
    /// Leaves a kind of finding out, for example `no-persistence`; may be given several times
    #[arg(long, value_name = "ID")]
    ignore: Vec<String>,
    /// Prints one JSON object: the servers, and the findings with the lines that repair them
    #[arg(long)]
    json: bool,
}

pub fn doctor(connection: &Connection, arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let of_sentinels = connection.sentinel_credentials();
    let url = Url::parse(&connection.url(), connection.prefix(), of_sentinels)?;
    let facts = url.collect(|| connection.builder());
    let mut found = examine(&facts);
    found.retain(|finding| !arguments.ignore.iter().any(|id| id == finding.id));
    found.sort_by_key(|finding| finding.level);
    let mut out = io::stdout().lock();
    if arguments.json {
        let servers: Vec<_> = facts.servers.iter().map(|server| &server.address).collect();
        let report = serde_json::json!({ "servers": servers, "findings": found });
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&mut out, &found, facts.servers.len())?;
    }
    Ok(ExitCode::from(if found.is_empty() { 0 } else { FOUND }))
}

fn print(out: &mut impl io::Write, found: &[Finding], servers: usize) -> io::Result<()> {
    let servers = if servers == 1 { "1 server".to_owned() } else { format!("{servers} servers") };
    if found.is_empty() {
        return writeln!(out, "nothing is wrong with {servers}");
    }
    for Finding { id, level, server, what, why, fix } in found {
        // None answers where Sentinels are all that is known.
        let server = if server.is_empty() { String::new() } else { format!(" {}", plain(server)) };
        writeln!(out, "{level} [{id}]{server}: {}", plain(what))?;
        writeln!(out, "  why: {}", plain(why))?;
        for line in fix {
            writeln!(out, "  fix: {line}")?;
        }
    }
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    let [errors, warnings, unknown] = [Level::Error, Level::Warning, Level::Unknown].map(count);
    writeln!(out, "errors: {errors}, warnings: {warnings}, cannot tell: {unknown}, on {servers}")
}
