//! What `cargo expand` shows of one function of each kind. Beside each file in `expansion` lies what the compiler makes
//! of it; `UPDATE_SNAPSHOTS=1` writes those anew.

mod support;

use std::path::PathBuf;
use std::{env, fs};

use support::{cargo, text, workspace};
use syn::{File, Item, ItemMod};

#[test]
fn an_expansion_reads_as_its_snapshot_says() {
    let expansions = expansions();
    assert!(expansions.len() >= 14, "every kind has a file");
    for (kind, expansion) in expansions {
        let path = folder().join(format!("{kind}.expanded.rs"));
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &expansion).expect("the snapshot can be written");
        }
        let snapshot = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(expansion, snapshot, "{}", path.display());
    }
}

#[test]
fn the_page_shows_the_snapshots() {
    let page =
        fs::read_to_string(workspace().join("docs/expansion.md")).expect("the page is there");
    let shown: Vec<&str> = page.split("```rust\n").skip(1).filter_map(until_fence).collect();
    let files = ["sync", "asynchronous", "future"].map(|kind| [source(kind), expanded(kind)]);
    assert_eq!(shown, files.concat(), "the code on the page is that of the files");
}

fn until_fence(block: &str) -> Option<&str> {
    Some(block.split_once("```")?.0)
}

fn source(kind: &str) -> String {
    read(&format!("{kind}.rs"))
}

fn expanded(kind: &str) -> String {
    read(&format!("{kind}.expanded.rs"))
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).expect("the file is there")
}

/// The modules of the example, by name, after all macros.
fn expansions() -> Vec<(String, String)> {
    let mut command = cargo(&["rustc", "--quiet", "--package", "twins", "--profile=check"]);
    command.args(["--example", "expansion", "--", "-Zunpretty=expanded"]);
    let file: File = syn::parse_str(&text(&mut command)).expect("the expansion is a file");
    file.items.into_iter().filter_map(module).collect()
}

fn module(item: Item) -> Option<(String, String)> {
    let Item::Mod(ItemMod { ident, content: Some((_, items)), .. }) = item else {
        return None;
    };
    let file = File { shebang: None, frontmatter: None, attrs: Vec::new(), items };
    Some((ident.to_string(), prettyplease::unparse(&file)))
}

fn folder() -> PathBuf {
    workspace().join("consumers/twins/expansion")
}
