use super::*;

fn book() -> Book {
    let files = ["docs/server.md", "docs/hold.svg", "README.md", "verification/README.md"];
    Book { files: files.map(PathBuf::from).into() }
}

#[test]
fn links_lead_to_where_the_pages_are_in_the_book() {
    let page = |file: &str, text: &str| book().page(Path::new(file), text);
    assert_eq!(page("docs/server.md", "[a](../README.md#b)"), "[a](index.md#b)");
    assert_eq!(page("README.md", "[a](docs/server.md)"), "[a](server.md)");
    assert_eq!(
        page("verification/README.md", "[a](../docs/server.md), [b](../README.md)"),
        "[a](../../server.md), [b](../../index.md)"
    );
    assert_eq!(page("docs/server.md", "![a](hold.svg)"), "![a](hold.svg)");
    for kept in ["[a](#here)", "[a](https://example.com/b.md)"] {
        assert_eq!(page("docs/server.md", kept), kept);
    }
}

#[test]
fn a_file_that_is_not_in_the_book_is_named() {
    let page = |text: &str| book().page(Path::new("docs/server.md"), text);
    assert_eq!(page("the [check](../src/lib.rs) of"), "the check (`src/lib.rs`) of");
    assert_eq!(page("the [`check`](../src/lib.rs) of"), "the `check` of");
}

#[test]
fn code_is_left_alone_and_diagrams_become_html() {
    let page = |text: &str| book().page(Path::new("docs/server.md"), text);
    let code = "```rust\nlet a = [b](../c.md);\n```\n";
    assert_eq!(page(code), code);
    assert_eq!(
        page("a\n```mermaid\nA->>B: x<br/>y\n```\nb\n"),
        "a\n<pre class=\"mermaid\">\nA->>B: x&lt;br/>y\n</pre>\nb\n"
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["a.html", "b.html", "c.html", "d.html", "e.html"] {
        write(name, "<h1 id=\"top\">");
    }
    write("f.html", "<a href=\"a.html#top\"><a href=\"a.html#no\"><a href=\"no.html\">");
    assert_eq!(dead_links(folder.path()).unwrap(), ["f.html: a.html#no", "f.html: no.html"]);
    write("f.html", "<script src=\"https://example.com/a.js\">");
    assert!(dead_links(folder.path()).is_err());
}

#[test]
fn each_page_of_docs_is_in_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    stage(&root, folder.path()).unwrap();
    assert!(folder.path().join("repository/ARCHITECTURE.md").is_file());
}
