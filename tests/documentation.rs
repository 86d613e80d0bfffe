//! Checks the documentation: examples, log lines and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Hidden line that lets an example in `lock-runtime` use the name `distlock`.
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

/// The sources of the library, with each text on one line.
fn sources() -> String {
    let mut files = Vec::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("lock-runtime/src"), &mut files);
    let texts = files.iter().map(|file| fs::read_to_string(file).expect("the file is text"));
    let lines: String = texts.collect();
    let mut parts = lines.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// The texts in the first column of the table in this section of a page of docs/.
fn first_column(page: &str, section: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, section) = page.split_once(&format!("## {section}\n")).expect("it has that section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let texts: Vec<_> =
        cells.flat_map(|cell| cell.split('`').step_by(2).map(str::to_owned)).collect();
    assert!(texts.len() > 5, "{texts:?}");
    texts
}

#[test]
fn the_log_lines_that_operators_are_shown_are_those_that_the_library_writes() {
    let sources = sources();
    let texts = first_column("operators.md", "Log lines");
    for text in &texts {
        assert!(sources.contains(text), "nothing says \"{text}\"");
    }
    let mut events = 0;
    for event in sources.split("event!(").skip(1) {
        let event = event.trim_start();
        if !event.starts_with("WARN") && !event.starts_with("INFO") {
            continue;
        }
        let line = event.split('"').nth(1).expect("an event has a text");
        // Some texts are put together before.
        let is_shown = texts.iter().any(|text| line.contains(text)) || line.starts_with('{');
        assert!(is_shown, "operators are not shown \"{line}\"");
        events += 1;
    }
    assert!(events > 15, "{events}");
}

#[test]
fn the_error_texts_of_the_runbook_are_those_of_the_library() {
    let errors = Path::new(env!("CARGO_MANIFEST_DIR")).join("lock-runtime/snapshots/errors.txt");
    let errors = fs::read_to_string(errors).expect("the snapshot is there");
    let (sources, texts) = (sources(), first_column("operations.md", "Errors by their text"));
    for text in &texts {
        assert!(errors.contains(text) || sources.contains(text), "no error says \"{text}\"");
    }
    for error in errors.lines() {
        let (_, error) = error.split_once(": ").expect("a case has a name");
        assert!(texts.iter().any(|text| error.contains(text)), "not in the runbook: {error}");
    }
}

#[test]
fn every_example_of_a_page_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let included = fs::read_to_string(root.join("tests/compat/book/src/lib.rs"));
    let included = included.expect("the crate is there");
    // The first is the page of the attribute; the second is compared with the compiler's output.
    let elsewhere = ["docs/attribute.md", "docs/expansion.md"];
    for page in pages() {
        let name = page.strip_prefix(root).expect("it is below").display().to_string();
        let text = fs::read_to_string(&page).expect("the page is text");
        let mut examples = text.lines().filter(|line| line.trim_start().starts_with("```rust"));
        let is_compiled = elsewhere.contains(&&*name) || included.contains(&format!("/{name}\""));
        let left_out = examples.find(|line| !is_compiled || line.contains("ignore"));
        assert!(left_out.is_none(), "{name}: {left_out:?} is not compiled");
    }
}

/// The Markdown files of the repository.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in fs::read_dir(root).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_file() {
            files.push(path);
        } else if name != "target" && !name.to_string_lossy().starts_with('.') {
            files_below(&path, &mut files);
        }
    }
    files.retain(|file| file.extension().is_some_and(|kind| kind == "md"));
    files.retain(|file| file.components().all(|part| part.as_os_str() != "target"));
    files
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The anchors that GitHub gives to the headings of a page.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).expect("the page is text");
    let headings = prose(&text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|&c| c.is_alphanumeric() || "-_ ".contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut dead = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("the page is text");
        let parts = prose(&text).flat_map(|line| line.split("](").skip(1));
        for link in parts.filter_map(|part| part.split_once(')').map(|(link, _)| link)) {
            if link.contains("://") || link.contains("::") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a file is in a folder").join(path)
            };
            let is_page = target.extension().is_some_and(|kind| kind == "md");
            let has_heading = anchor.is_empty()
                || !is_page
                || target.exists() && anchors(&target).contains(anchor);
            if !target.exists() || !has_heading {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}
