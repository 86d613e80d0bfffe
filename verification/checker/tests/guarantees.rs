//! `docs/guarantees.md` names the properties and tests that show each guarantee. All of them exist.

use std::fs;
use std::path::{Path, PathBuf};

use checker::Property;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Folders with tests.
const FOLDERS: [&str; 4] = ["tests", "lock-runtime/src", "lock-macros/src", "verification"];

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/guarantees.md")).expect("the page exists")
}

/// The texts between two of these characters on one line.
fn marked(page: &str, mark: char) -> Vec<&str> {
    page.lines().flat_map(|line| line.split(mark).skip(1).step_by(2)).collect()
}

fn sources(folder: &Path, texts: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("a folder of the project");
    for path in entries.map(|entry| entry.expect("an entry can be read").path()) {
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).expect("a source is text"));
        }
    }
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let mut texts = Vec::new();
    FOLDERS
        .iter()
        .map(|folder| PathBuf::from(ROOT).join(folder))
        .for_each(|folder| sources(&folder, &mut texts));
    let page = page();
    let is_test = |name: &&str| name.matches('_').count() > 2 && !name.contains([' ', '(']);
    let names: Vec<_> = marked(&page, '`').into_iter().filter(is_test).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let head = format!("fn {name}(");
        assert!(texts.iter().any(|text| text.contains(&head)), "there is no test {name}");
    }
}

#[test]
fn the_guarantees_name_every_property_of_the_checker_and_no_other() {
    let page = page().replace("**", "");
    let named = marked(&page, '*');
    for name in &named {
        assert!(
            Property::ALL.iter().any(|property| property.name() == *name),
            "no property {name}"
        );
    }
    for property in Property::ALL.iter().filter(|property| **property != Property::WellFormed) {
        assert!(named.contains(&property.name()), "the page leaves out {property}");
    }
}
