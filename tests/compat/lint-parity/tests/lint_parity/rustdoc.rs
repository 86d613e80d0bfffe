//! The documentation of the functions with and without the attribute is identical.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::support::{LOCKED, PLAIN, cargo, output, target};

type Pages = BTreeMap<PathBuf, String>;

#[test]
fn annotated_functions_read_as_plain_ones() {
    let (plain, locked) = (pages(PLAIN), pages(LOCKED));
    println!("{} pages", plain.len());
    assert!(plain.len() > 250, "the twin has many pages: {}", plain.len());
    assert!(plain.keys().eq(locked.keys()), "both have the same pages");
    for (page, text) in &plain {
        assert_eq!(text, &locked[page], "{}", page.display());
    }
    reads_as_written(&locked);
}

// What the pages must not have lost on both sides.
fn reads_as_written(pages: &Pages) {
    let transfer = &pages[Path::new("twin/fn.transfer.html")];
    assert!(transfer.contains("(to, amount): (<a"), "patterns of arguments are shown");
    assert!(transfer.contains("Moves money; see"), "and the text");
    let asynchronous = &pages[Path::new("twin/fn.transfer_async.html")];
    assert!(asynchronous.contains("pub async fn "), "so are its qualifiers");
    assert!(
        asynchronous.contains("Deprecated since 0.1.0: use <code>transfer</code>"),
        "and what it is replaced by"
    );
}

/// The pages of all items, by path below the documentation's root. The pages of the source are left
/// out: it is one.
fn pages(features: &str) -> Pages {
    let root = target().join("doc");
    if root.exists() {
        fs::remove_dir_all(&root).expect("the old pages can be removed");
    }
    let mut command =
        cargo(&["rustdoc", "--quiet", "--package", "lint-parity", "--example", "twin"]);
    let arguments = ["--features", features, "--", "--document-private-items", "--cap-lints=allow"];
    output(command.args(arguments));
    let mut pages = Pages::new();
    collect(&root, &root.join("twin"), &mut pages);
    pages
}

fn collect(root: &Path, folder: &Path, pages: &mut Pages) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(root, &path, pages);
        } else {
            let text = fs::read_to_string(&path).expect("a page is text");
            let name = path.strip_prefix(root).expect("it lies below the root").to_owned();
            pages.insert(name, text);
        }
    }
}
