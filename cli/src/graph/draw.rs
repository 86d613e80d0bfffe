//! The drawings of the graph. Pure.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::graph::model::{Graph, Held, Owner, Wait};
use crate::text::{ago, plain};

/// For people: deadlocks first, then each owner that waits for nobody, with those behind it.
pub fn text(graph: &Graph) -> String {
    let unknown = unknown(graph).map_or_else(String::new, |unknown| unknown + "\n");
    if graph.waits.is_empty() {
        return if unknown.is_empty() { "nobody waits for a lock\n".to_owned() } else { unknown };
    }
    let mut drawing = Tree { graph, shown: HashSet::new(), out: String::new() };
    drawing.deadlocks();
    let waits = |place: usize| graph.waits.iter().any(|wait| wait.waiter == place);
    let is_waited_for = |place: usize| graph.waits.iter().any(|wait| wait.holder == place);
    for place in 0..graph.owners.len() {
        if !waits(place) && is_waited_for(place) {
            let owner = &graph.owners[place];
            let _ = writeln!(drawing.out, "{} {}", name(owner), holds(owner));
            drawing.behind(place, 1);
        }
    }
    // Behind a cycle that was gone the second time.
    for (number, wait) in graph.waits.iter().enumerate() {
        if !drawing.shown.contains(&number) {
            drawing.waiting(wait, 0);
        }
    }
    drawing.out + &unknown
}

/// What the graph may lack.
fn unknown(graph: &Graph) -> Option<String> {
    const SHOWN: usize = 3;
    let keys: Vec<_> = graph.unknown.iter().map(|key| plain(key)).collect();
    Some(match &keys[..] {
        [] => return None,
        [key] => format!("unknown: what the holder of {key} waits for"),
        keys => {
            let (shown, more) = keys.split_at(keys.len().min(SHOWN));
            let shown = shown.join(", ");
            let more = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("unknown: what the holders of {shown}{more} wait for")
        }
    })
}

struct Tree<'a> {
    graph: &'a Graph,
    /// The waits, by their place.
    shown: HashSet<usize>,
    out: String,
}

impl Tree<'_> {
    /// Each of them as a circle that begins with its first wait.
    fn deadlocks(&mut self) {
        let graph = self.graph;
        for start in 0..graph.waits.len() {
            if !graph.waits[start].in_cycle || self.shown.contains(&start) {
                continue;
            }
            let _ = writeln!(self.out, "deadlock: each waits for the next, the last for the first");
            let mut members = Vec::new();
            let mut next = Some(start);
            while let Some(number) = next {
                self.shown.insert(number);
                let wait = &graph.waits[number];
                self.line(wait, 1);
                members.push(wait.waiter);
                next = (0..graph.waits.len()).find(|other| {
                    let other_wait = &graph.waits[*other];
                    other_wait.in_cycle
                        && other_wait.waiter == wait.holder
                        && !self.shown.contains(other)
                });
            }
            for member in members {
                self.behind(member, 2);
            }
        }
    }

    /// Those that wait for this owner.
    fn behind(&mut self, holder: usize, depth: usize) {
        let graph = self.graph;
        for (number, wait) in graph.waits.iter().enumerate() {
            if wait.holder == holder && !wait.in_cycle && self.shown.insert(number) {
                self.waiting(wait, depth);
            }
        }
    }

    fn waiting(&mut self, wait: &Wait, depth: usize) {
        let place = self.graph.waits.iter().position(|other| std::ptr::eq(other, wait));
        self.shown.extend(place);
        self.line(wait, depth);
        self.behind(wait.waiter, depth + 1);
    }

    fn line(&mut self, wait: &Wait, depth: usize) {
        let owner = &self.graph.owners[wait.waiter];
        let (indent, name, key) = ("  ".repeat(depth), name(owner), plain(&wait.key));
        let (function, since) = (plain(&wait.function), ago(wait.since));
        let _ = write!(self.out, "{indent}{name} waits {since} for {key} in {function}");
        if !owner.holds.is_empty() {
            let _ = write!(self.out, ", {}", holds(owner));
        }
        self.out.push('\n');
    }
}

fn name(owner: &Owner) -> String {
    plain(&format!("{}:{}", owner.host, owner.pid)).into_owned()
}

fn holds(owner: &Owner) -> String {
    let hold = |held: &Held| {
        format!("{} for {} in {}", plain(&held.key), ago(held.since), plain(&held.function))
    };
    format!("holds {}", owner.holds.iter().map(hold).collect::<Vec<_>>().join(", "))
}

/// The lines in the box of an owner.
fn lines(owner: &Owner) -> Vec<String> {
    let function = owner.function.iter().map(|function| plain(function).into_owned());
    let held = owner.holds.iter().flat_map(|held| {
        let function = plain(&held.function).into_owned();
        [format!("holds {} for {}", plain(&held.key), ago(held.since)), function]
    });
    [name(owner)].into_iter().chain(function).chain(held).collect()
}

fn is_drawn(graph: &Graph, place: usize) -> bool {
    graph.waits.iter().any(|wait| wait.waiter == place || wait.holder == place)
}

pub fn dot(graph: &Graph) -> String {
    let quoted = |lines: &[String]| {
        let escaped = lines.iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\""));
        format!("\"{}\"", escaped.collect::<Vec<_>>().join("\\n"))
    };
    let mut out = String::from("digraph locks {\n  rankdir=LR;\n  node [shape=box];\n");
    for (place, owner) in graph.owners.iter().enumerate().filter(|(p, _)| is_drawn(graph, *p)) {
        let _ = writeln!(out, "  n{place} [label={}];", quoted(&lines(owner)));
    }
    for wait in &graph.waits {
        let label = quoted(&[plain(&wait.key).into_owned(), ago(wait.since)]);
        let color = if wait.in_cycle { ", color=red, fontcolor=red" } else { "" };
        let _ = writeln!(out, "  n{} -> n{} [label={label}{color}];", wait.waiter, wait.holder);
    }
    if let Some(unknown) = unknown(graph) {
        let _ = writeln!(out, "  // {unknown}");
    }
    out + "}\n"
}

pub fn mermaid(graph: &Graph) -> String {
    let quoted = |lines: &[String]| {
        let escape = |character: char| match character {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' | '|' => format!("#{};", u32::from(character)),
            character => character.to_string(),
        };
        let escaped = lines.iter().map(|line| line.chars().map(escape).collect::<String>());
        format!("\"{}\"", escaped.collect::<Vec<_>>().join("<br/>"))
    };
    let mut out = String::from("flowchart LR\n");
    for (place, owner) in graph.owners.iter().enumerate().filter(|(p, _)| is_drawn(graph, *p)) {
        let _ = writeln!(out, "  n{place}[{}]", quoted(&lines(owner)));
    }
    for wait in &graph.waits {
        let label = quoted(&[plain(&wait.key).into_owned(), ago(wait.since)]);
        let _ = writeln!(out, "  n{} -->|{label}| n{}", wait.waiter, wait.holder);
    }
    let cycle: Vec<_> =
        (0..graph.waits.len()).filter(|&number| graph.waits[number].in_cycle).collect();
    if !cycle.is_empty() {
        let numbers: Vec<_> = cycle.iter().map(usize::to_string).collect();
        let _ = writeln!(out, "  linkStyle {} stroke:red,color:red", numbers.join(","));
    }
    if let Some(unknown) = unknown(graph) {
        let _ = writeln!(out, "  %% {unknown}");
    }
    out
}
