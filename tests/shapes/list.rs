//! The list of shapes and the tests that name them say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["tests/shapes", "tests/behaviour", "tests/ui"];

#[test]
fn every_shape_of_the_list_has_a_test_that_names_it() {
    let (listed, named) = (listed(), named());
    let untested: Vec<_> = listed.iter().filter(|number| !named.contains_key(number)).collect();
    assert!(untested.is_empty(), "no test names the shapes {untested:?}");
    let unlisted: Vec<_> = named.iter().filter(|(number, _)| !listed.contains(number)).collect();
    assert!(unlisted.is_empty(), "the list does not know {unlisted:?}");
}

#[test]
fn the_list_counts_without_a_gap() {
    let listed = listed();
    assert!(listed.len() > 100, "the table was not read: {listed:?}");
    assert!(listed.iter().copied().eq(1..=listed.len()), "{listed:?}");
}

/// The first column of the table.
fn listed() -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    for row in read(&root().join("tests/shapes/README.md")).lines() {
        let cell = row.strip_prefix("| ").and_then(|row| row.split(" |").next());
        if let Some(number) = cell.and_then(|cell| cell.parse().ok()) {
            assert!(numbers.insert(number), "{number} is listed twice");
        }
    }
    numbers
}

/// The numbers of comments like `// 25, 26`, and the files they stand in.
fn named() -> BTreeMap<usize, BTreeSet<PathBuf>> {
    let mut named = BTreeMap::<_, BTreeSet<_>>::new();
    for path in FOLDERS.into_iter().flat_map(sources) {
        let source = read(&root().join(&path));
        let lines: Vec<&str> = source.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            for number in numbers(line) {
                assert_is_above_a_test(&lines[at + 1..], &path, number);
                named.entry(number).or_default().insert(path.clone());
            }
        }
    }
    named
}

fn numbers(line: &str) -> Vec<usize> {
    let comment = line.trim_start().strip_prefix("// ");
    let numbers = comment.map(|comment| comment.split(", ").map(str::parse).collect());
    numbers.and_then(Result::ok).unwrap_or_default()
}

// A case of `ui` is a test as a whole.
fn assert_is_above_a_test(below: &[&str], path: &Path, number: usize) {
    let place = format!("{}: {number}", path.display());
    let next = below.first().map_or("", |line| line.trim_start());
    assert!(!next.is_empty() && !next.starts_with("// "), "{place} is above nothing");
    let is_test = |line: &&str| line.contains("#[test]") || line.contains("#[tokio::test");
    assert!(path.starts_with("tests/ui") || below.iter().any(is_test), "{place}: no test follows");
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| Path::new(folder).join(entry.expect("readable").file_name()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the file can be read")
}
