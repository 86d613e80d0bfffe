//! Builds docs/ as a book with mdBook, and checks the links of what came out.
//!
//! The pages are made to be read in the repository. A copy of them under target/book is what mdBook
//! reads: there the pages from outside of docs/ are in a folder of their own, and links lead to
//! them. A link to a file that is no page of the book becomes the name of the file.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const MDBOOK: &str = "0.5.4";
/// The folder for pages from outside of docs/.
const OUTSIDE: &str = "repository";
/// Has Mermaid as a file. It is only downloaded: to build it takes as long as to build mdBook.
const MERMAID: &str = "mdbook-mermaid";
const MERMAID_VERSION: &str = "0.17.1";
const MERMAID_FILE: &str = "src/bin/assets/mermaid.min.js";
const START_MERMAID: &str =
    "mermaid.initialize({ startOnLoad: true, securityLevel: \"strict\" });\n";

/// Builds the book of this checkout, and returns the folder with its pages.
pub fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |folder| root.join(folder));
    fs::create_dir_all(&target)?;
    let target = target.canonicalize()?;
    let mdbook = mdbook(&target)?;
    let (pages, html) = (target.join("book/pages"), target.join("book/html"));
    for folder in [&pages, &html] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    stage(root, &pages)?;
    fs::copy(mermaid(&target.join("book/mermaid"))?, pages.join("mermaid.min.js"))?;
    fs::write(pages.join("mermaid-start.js"), START_MERMAID)?;
    run(Command::new(mdbook).arg("build").arg(&pages).arg("--dest-dir").arg(&html))?;
    let dead = dead_links(&html)?;
    ensure!(dead.is_empty(), "dead links in the book:\n{}", dead.join("\n"));
    ensure!(has_index(&html)?, "the book has no index to search in");
    Ok(html)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// The program, which is installed under target/ if it is not there. Without optimizations, as it
/// runs for a second. Its own folder keeps it apart from what `cargo clean -p` removes, and from an
/// installation without the search.
fn mdbook(target: &Path) -> anyhow::Result<PathBuf> {
    let root = target.join(format!("mdbook-{MDBOOK}-search"));
    let program = root.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        println!("installing mdBook {MDBOOK}");
        let mut install = Command::new("cargo");
        // Without what serves and watches a book, which takes longest to build.
        install.args(["install", "--quiet", "--locked", "--no-default-features"]);
        install.args(["--features", "search", "mdbook", "--version", MDBOOK]);
        install.arg("--root").arg(&root);
        install.arg("--target-dir").arg(root.join("build"));
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        run(&mut install)?;
        fs::remove_dir_all(root.join("build"))?;
    }
    Ok(program)
}

/// Where the JavaScript is that draws diagrams.
fn mermaid(folder: &Path) -> anyhow::Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    fs::create_dir_all(folder)?;
    let name = "[workspace]\n[package]\nname = \"mermaid\"\nedition = \"2024\"\n";
    let needs = format!("[dependencies]\n{MERMAID} = \"={MERMAID_VERSION}\"\n");
    fs::write(&manifest, format!("{name}[lib]\npath = \"lib.rs\"\n{needs}"))?;
    fs::write(folder.join("lib.rs"), "")?;
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--quiet", "--format-version", "1", "--manifest-path"]);
    let output = metadata.arg(&manifest).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let end = format!("{MERMAID}-{MERMAID_VERSION}");
    let folder = text
        .split("\"manifest_path\":\"")
        .filter_map(|part| part.split('"').next())
        .filter_map(|path| Path::new(path).parent())
        .find(|folder| folder.file_name() == Some(OsStr::new(&end)))
        .with_context(|| format!("{end} was not downloaded"))?;
    Ok(folder.join(MERMAID_FILE))
}

/// Copies the pages of docs/SUMMARY.md to a folder that mdBook can build, and what they show.
fn stage(root: &Path, to: &Path) -> anyhow::Result<()> {
    let docs = root.join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md"))?;
    let mut book = Book::default();
    for link in links(&summary) {
        let page = normal(&Path::new("docs").join(link));
        ensure!(root.join(&page).is_file(), "docs/SUMMARY.md: there is no {}", page.display());
        ensure!(book.files.insert(page), "docs/SUMMARY.md: {link} is there twice");
    }
    for entry in fs::read_dir(&docs)? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        let file = Path::new("docs").join(name);
        match path.extension().and_then(OsStr::to_str) {
            Some("svg" | "png" | "toml" | "json") => drop(book.files.insert(file)),
            Some("md") if name != "SUMMARY.md" && !book.files.contains(&file) => {
                bail!("docs/SUMMARY.md: {} is not there", file.display())
            }
            _ => {}
        }
    }
    // It is no page: a link to it has nowhere to lead.
    let summary = PathBuf::from("docs/SUMMARY.md");
    for file in book.files.iter().chain([&summary]) {
        let place = to.join(place(file));
        fs::create_dir_all(place.parent().context("a file is in a folder")?)?;
        if file.extension() == Some(OsStr::new("md")) {
            fs::write(place, book.page(file, &fs::read_to_string(root.join(file))?))?;
        } else {
            fs::copy(root.join(file), place)?;
        }
    }
    Ok(())
}

/// The files of the book, by their paths in the repository.
#[derive(Default)]
struct Book {
    files: BTreeSet<PathBuf>,
}

impl Book {
    /// The page at `file`, with the links of the book, and with diagrams as HTML.
    fn page(&self, file: &Path, text: &str) -> String {
        let (mut page, mut prose) = (String::new(), String::new());
        let mut fence = None;
        for line in text.split_inclusive('\n') {
            let info = line.trim_start().strip_prefix("```").map(str::trim);
            match (fence, info) {
                (None, Some(info)) => {
                    page.push_str(&self.relink(file, &prose));
                    prose.clear();
                    fence = Some(info == "mermaid");
                    page.push_str(if info == "mermaid" {
                        "<pre class=\"mermaid\">\n"
                    } else {
                        line
                    });
                }
                (None, None) => prose.push_str(line),
                (Some(is_diagram), Some("")) => {
                    fence = None;
                    page.push_str(if is_diagram { "</pre>\n" } else { line });
                }
                (Some(true), _) => page.push_str(&line.replace('&', "&amp;").replace('<', "&lt;")),
                (Some(false), _) => page.push_str(line),
            }
        }
        page + &self.relink(file, &prose)
    }

    /// Text outside of code blocks, with its links as they are in the book.
    fn relink(&self, file: &Path, prose: &str) -> String {
        let mut done = String::new();
        let mut rest = prose;
        while let Some(middle) = rest.find("](") {
            let Some(length) = rest[middle..].find(')') else { break };
            let link = &rest[middle + 2..middle + length];
            done.push_str(&rest[..middle]);
            rest = &rest[middle + length + 1..];
            match self.target(file, link) {
                Ok(link) => done.extend(["](", &link, ")"]),
                Err(path) => unlink(&mut done, &path),
            }
        }
        done + rest
    }

    /// The link in the book, or the path of a file that is not in it.
    fn target(&self, file: &Path, link: &str) -> Result<String, String> {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        if path.is_empty() || link.contains("::") || link.contains(':') || link.contains(' ') {
            return Ok(link.to_owned());
        }
        let wanted = normal(&file.parent().unwrap_or(Path::new("")).join(path));
        if !self.files.contains(&wanted) {
            return Err(wanted.display().to_string());
        }
        let mut link = String::new();
        for _ in place(file).components().skip(1) {
            link.push_str("../");
        }
        link.push_str(&place(&wanted).display().to_string());
        if !anchor.is_empty() {
            link.push('#');
            link.push_str(anchor);
        }
        Ok(link)
    }
}

/// Replaces a link, whose text ends `done`, by that text, and the path if the text is none.
fn unlink(done: &mut String, path: &str) {
    let Some(start) = done.rfind('[') else { return };
    let text = done.split_off(start)[1..].to_owned();
    done.push_str(&text);
    if !text.starts_with('`') {
        done.extend([" (`", path, "`)"]);
    }
}

/// Where a file of the repository is in the book. The first page is also its index.
fn place(file: &Path) -> PathBuf {
    if file == Path::new("README.md") {
        return PathBuf::from("index.md");
    }
    file.strip_prefix("docs").map_or_else(|_| Path::new(OUTSIDE).join(file), Path::to_path_buf)
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// What the lines of the summary link to.
fn links(summary: &str) -> impl Iterator<Item = &str> {
    summary.split("](").skip(1).filter_map(|part| part.split(')').next())
}

/// The links of the built pages that lead nowhere.
fn dead_links(html: &Path) -> anyhow::Result<Vec<String>> {
    let mut pages = Vec::new();
    pages_below(html, &mut pages)?;
    ensure!(pages.len() > 5, "the book has {} pages", pages.len());
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page)?;
        let folder = page.parent().context("a page is in a folder")?;
        for link in values(&text, "href").chain(values(&text, "src")) {
            if link.contains(':') || link.starts_with("//") {
                ensure!(
                    !is_loaded(&text, link),
                    "{} loads {link} from the network",
                    page.display()
                );
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { folder.join(path) };
            let is_there = target.is_file()
                && (anchor.is_empty()
                    || values(&fs::read_to_string(&target)?, "id").any(|id| id == anchor));
            if !is_there {
                let page = page.strip_prefix(html).unwrap_or(page);
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    Ok(dead)
}

/// Whether readers can search the book.
fn has_index(html: &Path) -> anyhow::Result<bool> {
    for entry in fs::read_dir(html)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("searchindex") {
            return Ok(fs::read_to_string(entry.path())?.contains("concepts.html"));
        }
    }
    Ok(false)
}

/// Whether a page needs the link to be shown, as for a script, a style or an image.
fn is_loaded(text: &str, link: &str) -> bool {
    text.contains(&format!("src=\"{link}\""))
        || text.lines().any(|line| line.contains("<link") && line.contains(link))
}

fn pages_below(folder: &Path, pages: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            pages_below(&path, pages)?;
        } else if path.extension() == Some(OsStr::new("html")) {
            pages.push(path);
        }
    }
    Ok(())
}

/// The values of an attribute in HTML.
fn values<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let parts = text.split(&format!(" {name}=\"")).skip(1).collect::<Vec<_>>();
    parts.into_iter().filter_map(|part| part.split('"').next())
}
