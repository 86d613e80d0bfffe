//! What the attribute says when it is used wrongly, and that it says it once.

use std::fs;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "tests/ui";

#[test]
fn a_mistake_is_reported_where_it_is_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// A case with another number of errors says so in its first line: `// errors: 2`.
#[test]
fn one_mistake_is_one_error() {
    for case in cases() {
        let expected = announced(&case).unwrap_or(1);
        assert_eq!(errors(&case.with_extension("stderr")), expected, "{}", case.display());
    }
}

fn cases() -> impl Iterator<Item = PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY);
    let entries = fs::read_dir(directory).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn announced(case: &Path) -> Option<usize> {
    let source = fs::read_to_string(case).expect("the case can be read");
    source.lines().next()?.strip_prefix("// errors: ")?.parse().ok()
}

fn errors(stderr: &Path) -> usize {
    let messages = fs::read_to_string(stderr).expect("every case has its messages beside it");
    messages.lines().filter(|line| line.starts_with("error")).count()
}
