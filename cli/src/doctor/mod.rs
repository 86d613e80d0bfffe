//! `distlock doctor`: what is wrong with the servers.

mod collect;
mod facts;
mod findings;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use crate::connection::Connection;
use crate::doctor::collect::{LIMIT, Url};
use crate::doctor::findings::{Finding, Level, examine};
use crate::output::{self, is_closed_pipe};
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
  125  the URL or another option cannot be used";

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
    // Knows best what is wrong with the options.
    let locks = connection.builder()?.outage_timeout(LIMIT).build()?;
    let (url, prefix) = (connection.url(), connection.prefix());
    let of_sentinels = connection.sentinel_credentials();
    let url = Url::parse(&url, prefix, of_sentinels, connection.certificates()?)?;
    let facts = url.collect(&locks);
    let mut found = examine(&facts);
    found.retain(|finding| !arguments.ignore.iter().any(|id| id == finding.id));
    found.sort_by_key(|finding| finding.level);
    let printed = if arguments.json {
        let servers: Vec<_> = facts.servers.iter().map(|server| &server.address).collect();
        output::print_json(&serde_json::json!({ "servers": servers, "findings": found }))
    } else {
        output::print(text(&found, facts.servers.len()))
    };
    // One who reads the first lines only wants the code too.
    printed.or_else(|error| if is_closed_pipe(&error) { Ok(()) } else { Err(error) })?;
    Ok(ExitCode::from(if found.is_empty() { 0 } else { FOUND }))
}

/// As text for people.
fn text(found: &[Finding], servers: usize) -> String {
    let servers = if servers == 1 { "1 server".to_owned() } else { format!("{servers} servers") };
    if found.is_empty() {
        return format!("nothing is wrong with {servers}\n");
    }
    let mut text = String::new();
    for Finding { id, level, server, what, why, fix } in found {
        // None answers where Sentinels are all that is known.
        let server = if server.is_empty() { String::new() } else { format!(" {}", plain(server)) };
        let _ = writeln!(text, "{level} [{id}]{server}: {}", plain(what));
        let _ = writeln!(text, "  why: {}", plain(why));
        for line in fix {
            let _ = writeln!(text, "  fix: {}", plain(line));
        }
    }
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    let [errors, warnings, unknown] = [Level::Error, Level::Warning, Level::Unknown].map(count);
    let _ = writeln!(
        text,
        "errors: {errors}, warnings: {warnings}, cannot tell: {unknown}, on {servers}"
    );
    text
}
