//! `distlock graph`: who waits for whom.

mod draw;
mod model;

use std::collections::HashSet;

use clap::{Args, ValueEnum};
use distlock::LockManager;

use crate::graph::model::{Graph, Lock};
use crate::{list, output};

const LONG: &str = "\
Each line of the text is a holder or a waiter; those that wait for it follow, indented. The locks \
are read one after the other, so the graph may mix states that are a moment apart. Waits that form \
a cycle are looked for a second time before they are called a deadlock.

The holder of a lock is recognized as a waiter for another one once it has waited for half a \
second. distlock ends each deadlock by itself, with an error for one of the calls.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub struct GraphArguments {
    /// Shows only what is connected with keys like this: `*` stands for any characters, `?` for
    /// one, `[ab]` for one of these
    pattern: Option<String>,
    /// How to draw it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Prints one JSON object: the owners, and the waits between them
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For `dot` of Graphviz
    Dot,
    /// For Markdown of GitHub and others
    Mermaid,
}

pub fn graph(locks: &LockManager, arguments: &GraphArguments) -> anyhow::Result<()> {
    let pattern = arguments.pattern.as_deref().map(list::matcher).transpose()?;
    let mut graph = Graph::new(&collect(locks)?);
    if graph.has_cycle() {
        // Some of its waits may have been over by the time that others were read.
        let again: HashSet<_> = Graph::new(&collect(locks)?).waits_in_cycles();
        graph.keep_cycles(&again);
    }
    if let Some(pattern) = pattern {
        graph.retain_connected(|key| pattern.is_match(key));
    }
    if arguments.json {
        return output::print_json(&graph);
    }
    output::print(match arguments.format {
        Format::Text => draw::text(&graph),
        Format::Dot => draw::dot(&graph),
        Format::Mermaid => draw::mermaid(&graph),
    })
}

/// The locks that are waited for, and those inside which others are waited for or may be.
fn collect(locks: &LockManager) -> anyhow::Result<Vec<Lock>> {
    let mut found = Vec::new();
    list::walk(locks, None, usize::MAX, |key, state| {
        let waits = !state.nested_waits.is_empty() || state.nested_waits_unknown;
        if state.waiting > 0 || waits {
            found.push(Lock { key, state });
        }
        Ok(())
    })?;
    // A process does not ask the server for a lock that it hands on itself.
    let known: HashSet<_> = found.iter().map(|lock| lock.key.clone()).collect();
    let waited = found.iter().flat_map(|lock| &lock.state.nested_waits).map(|wait| &wait.key);
    let others: HashSet<_> = waited.filter(|key| !known.contains(*key)).cloned().collect();
    for key in others {
        let state = locks.inspect_blocking(&key)?;
        found.push(Lock { key, state });
    }
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}
