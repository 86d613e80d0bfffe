//! The error messages of the attribute, and their number.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "ui/beginner/fixed/mod.rs"]
#[expect(dead_code, reason = "each is a program of its own")]
mod fixed;

const CASES: &str = "tests/ui";
/// Typical mistakes of beginners. The first line of each case says what was intended.
const BEGINNER: &str = "tests/ui/beginner";
const FIXED: &str = "tests/ui/beginner/fixed";

#[test]
fn a_mistake_is_reported_where_it_is_made() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail(format!("{CASES}/*.rs"));
    cases.compile_fail(format!("{BEGINNER}/*.rs"));
}

/// A case with another number of errors says so at its beginning: `// errors: 2`.
#[test]
fn one_mistake_is_one_error() {
    for case in programs(CASES).into_iter().chain(programs(BEGINNER)) {
        let expected = announced(&case).unwrap_or(1);
        assert_eq!(errors(&case.with_extension("stderr")), expected, "{}", case.display());
    }
}

#[test]
fn following_the_error_message_fixes_the_mistake() {
    let list = read(&Path::new(FIXED).join("mod.rs"));
    let cases = programs(BEGINNER);
    assert!(cases.len() >= 30, "{}", cases.len());
    assert_eq!(cases.len(), list.matches("\nmod ").count());
    for case in cases {
        let name = case.file_stem().and_then(|name| name.to_str()).expect("cases have plain names");
        assert!(list.contains(&format!("\nmod {name};\n")), "{name} has no fixed version");
        let (wrong, fixed) = (read(&case), read(&Path::new(FIXED).join(format!("{name}.rs"))));
        assert!(wrong.starts_with("// "), "{name} does not say what was meant");
        assert_eq!(wrong.lines().next(), fixed.lines().next(), "{name} has another description");
        assert_ne!(code(&wrong), code(&fixed), "{name} is not fixed");
    }
}

fn programs(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn announced(case: &Path) -> Option<usize> {
    let source = read(case);
    let mut comments = source.lines().take_while(|line| line.starts_with("//"));
    comments.find_map(|line| line.strip_prefix("// errors: "))?.parse().ok()
}

fn errors(stderr: &Path) -> usize {
    read(stderr).lines().filter(|line| line.starts_with("error")).count()
}

fn code(source: &str) -> Vec<&str> {
    source.lines().filter(|line| !line.starts_with("//")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
