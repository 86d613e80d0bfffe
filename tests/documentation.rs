//! What the documentation shows must be what a user can write.

use std::fs;
use std::path::{Path, PathBuf};

/// Lets an example in `lock-runtime` name the crate as its users do. It is hidden from the reader.
const ALIAS: &str = "# use distlock_runtime as distlock;";

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            files_below(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
            files.push(path);
        }
    }
}

#[test]
fn no_example_names_a_crate_that_users_do_not_depend_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for directory in ["src", "lock-runtime/src", "lock-macros/src", "docs"] {
        files_below(&root.join(directory), &mut files);
    }
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("the file is text");
        let is_markdown = file.extension().is_some_and(|kind| kind == "md");
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            let Some(shown) = comment.or(is_markdown.then_some(line)) else { continue };
            let names_runtime =
                shown.contains("distlock_runtime::") || shown.contains("use distlock_runtime");
            if names_runtime && shown.trim() != ALIAS {
                found.push(format!("{}:{}: {shown}", file.display(), number + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "write `distlock` and, in lock-runtime, the line `{ALIAS}`:\n{found:#?}"
    );
}

/// The library's sources.
fn sources() -> String {
    let mut files = Vec::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("lock-runtime/src"), &mut files);
    let texts = files.iter().map(|file| fs::read_to_string(file).expect("the file is text"));
    texts.collect()
}

#[test]
fn the_log_lines_that_operators_are_shown_are_those_that_the_library_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operators.md")).expect("the page is there");
    let (_, table) = page.split_once("## Log lines").expect("it has that section");
    let (table, _) = table.split_once("\n## ").expect("another section follows");
    let lines: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    assert!(lines.len() > 5, "{lines:?}");
    let sources = sources();
    for line in lines {
        let (text, _) = line.split_once('`').expect("the text is closed");
        assert!(sources.contains(text), "nothing says \"{text}\"");
    }
}
