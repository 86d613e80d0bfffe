//! What `cargo expand` shows of one function of each kind. Beside each file in `expansion` lies
//! what the compiler makes of it, and `docs/expansion.md` explains five of them;
//! `UPDATE_SNAPSHOTS=1` rewrites both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{env, fs};

use super::support::{cargo, text, workspace};
use syn::{File, Item, ItemMod};

const FENCE: &str = "```";
const EXPLAINED: [&str; 5] = ["sync", "asynchronous", "future", "list", "defaults"];

/// The modules of the example, by name, after all macros.
static EXPANSIONS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut command = cargo(&["rustc", "--quiet", "--package", "lint-parity", "--profile=check"]);
    command.args(["--example", "expansion", "--", "-Zunpretty=expanded"]);
    let file: File = syn::parse_str(&text(&mut command)).expect("the expansion is a file");
    file.items.into_iter().filter_map(module).collect()
});

#[test]
fn an_expansion_reads_as_its_snapshot_says() {
    assert!(EXPANSIONS.len() >= 15, "every kind has a file");
    for (kind, expansion) in EXPANSIONS.iter() {
        check(&folder().join(format!("{kind}.expanded.rs")), expansion);
    }
}

#[test]
fn the_page_shows_the_expansions_as_they_are() {
    let path = workspace().join("docs/expansion.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let mut code = EXPLAINED.iter().flat_map(|kind| [source(kind), EXPANSIONS[*kind].clone()]);
    let parts = page.split(FENCE).enumerate().map(|(index, part)| {
        if index % 2 == 0 {
            return part.to_owned();
        }
        let code = code.next().expect("the page has no more code than it explains");
        format!("rust\n{code}")
    });
    let shown: Vec<String> = parts.collect();
    assert!(code.next().is_none(), "the page has all the code it explains");
    check(&path, &shown.join(FENCE));
}

fn check(path: &Path, expected: &str) {
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, expected).expect("the snapshot can be written");
    }
    let snapshot = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(snapshot, expected, "{}", path.display());
}

fn source(kind: &str) -> String {
    fs::read_to_string(folder().join(format!("{kind}.rs"))).expect("the source is there")
}

fn module(item: Item) -> Option<(String, String)> {
    let Item::Mod(ItemMod { ident, content: Some((_, items)), .. }) = item else {
        return None;
    };
    let file = File { shebang: None, frontmatter: None, attrs: Vec::new(), items };
    Some((ident.to_string(), prettyplease::unparse(&file)))
}

fn folder() -> PathBuf {
    workspace().join("tests/compat/lint-parity/expansion")
}
