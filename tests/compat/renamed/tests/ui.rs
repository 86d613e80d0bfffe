//! Messages in a crate that has the dependency under another name, and is of an edition before
//! 2021.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

#[test]
fn a_mistake_is_reported_where_it_is_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn one_mistake_is_one_error() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let entries = fs::read_dir(directory).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
    {
        let messages = fs::read_to_string(&path).expect("the messages can be read");
        let errors = messages.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 1, "{}", path.display());
    }
}
