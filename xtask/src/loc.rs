//! Counts lines of code by part and layer, next to the budget of ARCHITECTURE.md.
//!
//! A line of code is one that is neither blank nor only a comment; doc comments are comments. Code
//! for tests is counted separately: files that only tests compile, and items after `#[cfg(test)]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use ignore::WalkBuilder;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::architecture::{self, Budget, Layers};
use crate::source;

/// Files and lines of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many files.
    pub files: usize,
    /// How many lines of code in them.
    pub lines: usize,
}

impl Count {
    fn add(&mut self, lines: usize) {
        self.files += 1;
        self.lines += lines;
    }
}

/// Prints the size of each part of the repository at `root` as a table.
///
/// # Errors
///
/// If a source file cannot be read or parsed.
pub fn table(root: &Path) -> Result<String> {
    // An older checkout has no such lists: then the modules count one by one.
    let layers = architecture::layers(root).unwrap_or_default();
    let budgets = architecture::budgets(root).unwrap_or_default();
    let mut table =
        String::from("part                          files   lines   test files   test lines\n");
    for folder in ["lock-runtime/src", "lock-macros/src", "src"] {
        let (library, tests) = crate_size(root, folder, &layers)?;
        let total = sum(library.values());
        let all_tests = sum(tests.values());
        row(&mut table, folder, total, all_tests, budgets.iter().find(|it| it.folder == folder));
        if folder == "lock-runtime/src" {
            let modules = library.keys().chain(tests.keys()).collect::<BTreeSet<_>>();
            for (layer, module) in modules {
                let key = (*layer, module.clone());
                let count = |counts: &Sizes| counts.get(&key).copied().unwrap_or_default();
                let name = match layer {
                    &(0 | usize::MAX) => format!("     {module}"),
                    layer => format!("  {layer:>2} {module}"),
                };
                row(&mut table, &name, count(&library), count(&tests), None);
            }
        }
    }
    for (name, folders, extension) in [
        ("Lua", &["lock-runtime/src"][..], "lua"),
        ("verification crates", &["verification", "faults"], "rs"),
        ("integration tests", &["tests", "consumers", "lock-runtime/tests"], "rs"),
        ("examples and benches", &["examples", "benches"], "rs"),
        ("testkit and xtask", &["testkit", "xtask"], "rs"),
    ] {
        row(&mut table, name, folders_size(root, folders, extension)?, Count::default(), None);
    }
    Ok(table)
}

/// The lines of code of the library in these modules of the crate in `folder`, those for tests not
/// counted. A module that does not exist has none.
///
/// # Errors
///
/// If a source file cannot be read or parsed.
pub fn library_lines(root: &Path, folder: &str, modules: &[&str]) -> Result<usize> {
    let layers = architecture::layers(root).unwrap_or_default();
    let (library, _) = crate_size(root, folder, &layers)?;
    let counted = library.iter().filter(|((_, module), _)| modules.contains(&module.as_str()));
    Ok(counted.map(|(_, count)| count.lines).sum())
}

/// By layer and module; modules in no layer have the number 0 or, at the end, the largest.
type Sizes = BTreeMap<(usize, String), Count>;

fn crate_size(root: &Path, folder: &str, layers: &Layers) -> Result<(Sizes, Sizes)> {
    let crate_ = source::load(root, folder)?;
    let (mut library, mut tests) = (Sizes::new(), Sizes::new());
    let mut seen = BTreeSet::new();
    for module in &crate_.modules {
        if !seen.insert(module.file) {
            continue;
        }
        let key = match module.path.first() {
            None => (0, "lib.rs".to_owned()),
            Some(name) => (layers.number(name).unwrap_or(usize::MAX), name.clone()),
        };
        let file = &crate_.files[module.file];
        let (own, of_tests) = rust_lines(&file.text)
            .with_context(|| format!("cannot count {}", file.path.display()))?;
        if file.test_only {
            tests.entry(key).or_default().add(own + of_tests);
        } else {
            library.entry(key.clone()).or_default().add(own);
            tests.entry(key).or_default().lines += of_tests;
        }
    }
    Ok((library, tests))
}

fn folders_size(root: &Path, folders: &[&str], extension: &str) -> Result<Count> {
    let mut count = Count::default();
    for folder in folders.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists()) {
        for entry in WalkBuilder::new(folder).build() {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|it| it == extension) {
                let text = fs::read_to_string(path)?;
                // Some inputs of the compile-fail tests are not Rust: every line of theirs counts.
                let lines = if extension == "rs" { rust_lines(&text).ok() } else { None };
                count.add(lines.map_or_else(|| lua_lines(&text), |(own, tests)| own + tests));
            }
        }
    }
    Ok(count)
}

/// Lines with at least one token that is not part of a comment: those of the library, and those of
/// items under `#[cfg(test)]`.
///
/// # Errors
///
/// If the text is not made of Rust tokens.
pub fn rust_lines(text: &str) -> Result<(usize, usize)> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut lines = Lines::default();
    lines.mark(tokens, false);
    Ok((lines.library.len(), lines.tests.len()))
}

#[derive(Default)]
struct Lines {
    library: BTreeSet<usize>,
    tests: BTreeSet<usize>,
}

impl Lines {
    fn mark(&mut self, tokens: TokenStream, for_tests: bool) {
        let mut tokens = tokens.into_iter().peekable();
        // From `#[cfg(test)]` to the end of the item after it.
        let mut in_test_item = false;
        while let Some(token) = tokens.next() {
            let span = token.span();
            let for_tests = for_tests || in_test_item;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if span.source_text().is_some_and(|text| text.starts_with('/')) {
                        // A doc comment is an attribute `#[doc = "…"]` with the span of the
                        // comment.
                        let same = |next: &TokenTree| next.span().start() == span.start();
                        while tokens.next_if(same).is_some() {}
                    } else {
                        in_test_item |= tokens.peek().is_some_and(is_cfg_test);
                        self.insert(span.start().line, for_tests || in_test_item);
                    }
                }
                TokenTree::Group(group) => {
                    self.insert(group.span_open().start().line, for_tests);
                    self.insert(group.span_close().end().line, for_tests);
                    self.mark(group.stream(), for_tests);
                    in_test_item &= group.delimiter() != Delimiter::Brace;
                }
                other => {
                    for line in span.start().line..=span.end().line {
                        self.insert(line, for_tests);
                    }
                    in_test_item &=
                        !matches!(&other, TokenTree::Punct(end) if ";,".contains(end.as_char()));
                }
            }
        }
    }

    fn insert(&mut self, line: usize, for_tests: bool) {
        if for_tests { &mut self.tests } else { &mut self.library }.insert(line);
    }
}

fn is_cfg_test(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    group.stream().to_string().replace(' ', "") == "cfg(test)"
}

fn lua_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("--");
    text.lines().filter(is_code).count()
}

fn sum<'a>(counts: impl Iterator<Item = &'a Count>) -> Count {
    counts.fold(Count::default(), |sum, count| Count {
        files: sum.files + count.files,
        lines: sum.lines + count.lines,
    })
}

fn row(table: &mut String, name: &str, library: Count, tests: Count, budget: Option<&Budget>) {
    let Count { files, lines } = library;
    let _ = write!(table, "{name:<28} {files:>6} {lines:>7}");
    if tests != Count::default() {
        let _ = write!(table, " {:>12} {:>12}", tests.files, tests.lines);
    }
    if let Some(budget) = budget {
        let fits = files <= budget.files && lines <= budget.lines;
        let verdict = if fits { "within" } else { "over" };
        let _ = write!(table, "   {verdict} {} files, {} lines", budget.files, budget.lines);
    }
    table.push('\n');
}
