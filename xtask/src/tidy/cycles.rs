//! No file imports from itself by way of others.
//!
//! An edge is an item that one file names and another one defines, wherever the two are: in two
//! folders, in one folder, or in a `mod.rs` and a file next to it. What does not count:
//!
//! - `mod child;`: it says where a module is, and uses nothing of it.
//! - `lib.rs`: nothing may import from it (see [`super::imports`]), so no circle passes through it.
//! - Code for tests: it uses its subject, which does not know it.
//! - Imports under a `cfg`: they choose what a name stands for, on a platform or for verification.
//! - The type that a file continues: `impl Protocol` may be spread over files of one layer, and
//!   each of them names `Protocol`. They are one type; whatever else they name of its file counts.
//! - Calls of methods: they have no path. A method is part of the type that an edge names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Finding;
use crate::source::{Crate, FileId, ModuleId, Reference, Target};

type Graph = BTreeMap<FileId, BTreeMap<FileId, Edge>>;

/// The first place at which one file names an item of another.
struct Edge {
    line: usize,
    path: String,
}

/// Finds one shortest circle through each group of files that import each other.
#[must_use]
pub fn check(crate_: &Crate) -> Vec<Finding> {
    let mut graph = graph(crate_);
    let mut findings = Vec::new();
    // Each circle found is cut at its first edge, until there is none: a few findings name them
    // all.
    while let Some(circle) = shortest_circle(&graph) {
        findings.push(finding(crate_, &graph, &circle));
        cut(&mut graph, &circle);
    }
    findings
}

fn graph(crate_: &Crate) -> Graph {
    let mut graph = Graph::new();
    let root = crate_.modules[0].file;
    for (id, module) in crate_.modules.iter().enumerate() {
        if module.test_only || module.file == root {
            continue;
        }
        let counts = |reference: &&Reference| !reference.test_only && !reference.conditional;
        for reference in module.references.iter().filter(counts) {
            let Some(resolved) = crate_.resolve(id, &reference.path) else { continue };
            let (Target::ItemOf(target) | Target::ForeignFrom(target)) = resolved.target else {
                continue;
            };
            let file = crate_.modules[target].file;
            let continues = resolved.item.is_some_and(|item| continues(crate_, id, target, &item));
            if file != module.file && file != root && !continues {
                let edge = Edge { line: reference.line, path: reference.path.join("::") };
                graph.entry(module.file).or_default().entry(file).or_insert(edge);
            }
        }
    }
    graph
}

/// Whether the module has an inherent `impl` of this type, which another module of its layer
/// defines.
fn continues(crate_: &Crate, module: ModuleId, definition: ModuleId, item: &str) -> bool {
    let layer = |module: ModuleId| crate_.modules[module].path.first();
    layer(module) == layer(definition)
        && crate_.modules[module].implements.iter().any(|path| {
            crate_.resolve(module, path).is_some_and(|resolved| {
                resolved.target == Target::ItemOf(definition)
                    && resolved.item.as_deref() == Some(item)
            })
        })
}

fn shortest_circle(graph: &Graph) -> Option<Vec<FileId>> {
    graph.keys().filter_map(|start| circle_through(graph, *start)).min_by_key(Vec::len)
}

/// The shortest way from a file back to itself, breadth first.
fn circle_through(graph: &Graph, start: FileId) -> Option<Vec<FileId>> {
    let mut came_from: BTreeMap<FileId, FileId> = BTreeMap::new();
    let mut seen = BTreeSet::from([start]);
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in graph.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                let mut circle = vec![file];
                while let Some(previous) = came_from.get(&circle[circle.len() - 1]) {
                    circle.push(*previous);
                }
                circle.reverse();
                return Some(circle);
            }
            if seen.insert(*next) {
                came_from.insert(*next, file);
                queue.push_back(*next);
            }
        }
    }
    None
}

fn finding(crate_: &Crate, graph: &Graph, circle: &[FileId]) -> Finding {
    let steps: Vec<String> = edges(circle)
        .map(|(from, to)| {
            let edge = &graph[&from][&to];
            format!("{}:{} uses `{}`", crate_.files[from].path.display(), edge.line, edge.path)
        })
        .collect();
    Finding {
        file: crate_.files[circle[0]].path.clone(),
        line: graph[&circle[0]][&circle[1 % circle.len()]].line,
        rule: "cycles",
        message: format!(
            "files import each other, so neither can be read first ({}): move what both use into a \
             file of its own, or pass it as an argument",
            steps.join("; ")
        ),
    }
}

fn cut(graph: &mut Graph, circle: &[FileId]) {
    if let Some((from, to)) = edges(circle).next()
        && let Some(targets) = graph.get_mut(&from)
    {
        targets.remove(&to);
    }
}

fn edges(circle: &[FileId]) -> impl Iterator<Item = (FileId, FileId)> {
    circle.iter().copied().zip(circle.iter().copied().cycle().skip(1))
}
