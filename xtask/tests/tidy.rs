//! Each rule of `cargo xtask tidy` on a small tree that breaks it, and one tree that keeps them
//! all.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xtask::tidy;

const LAYERS: &str =
    "# Layers\n\n```layers\n1 types  values\n2 wire   commands\n3 local  queues\n```\n";

/// A tree that keeps all rules, with some of its files replaced or added.
fn tree(changed: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    let clean = [
        ("ARCHITECTURE.md", LAYERS),
        ("lock-runtime/src/lib.rs", "mod local;\nmod types;\nmod wire;\npub use types::Fence;\n"),
        ("lock-runtime/src/types.rs", "pub struct Fence(u64);\n"),
        (
            "lock-runtime/src/wire/mod.rs",
            "pub(crate) mod command;\npub(crate) mod reply;\n#[cfg(test)]\nmod tests;\n",
        ),
        ("lock-runtime/src/wire/command.rs", "pub(crate) enum Command { Acquire, Release }\n"),
        (
            "lock-runtime/src/wire/reply.rs",
            "use super::command::Command;\nuse crate::types::Fence;\n\
             pub(crate) struct Reply { to: Command, fence: Fence }\n",
        ),
        ("lock-runtime/src/wire/tests.rs", "use super::reply::*;\n#[test]\nfn passes() {}\n"),
        (
            "lock-runtime/src/local/mod.rs",
            "use crate::wire::command::Command;\n\
             fn send(_: Command) -> crate::wire::reply::Reply { todo!() }\n",
        ),
    ];
    for (path, text) in clean.iter().chain(changed) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        fs::write(path, text).expect("the file is written");
    }
    root
}

/// The findings as `file:line rule`, and their whole text.
fn findings(changed: &[(&str, &str)]) -> (Vec<String>, String) {
    let root = tree(changed);
    let findings = tidy::check(root.path()).expect("the tree is read");
    let short = |it: &tidy::Finding| format!("{}:{} {}", it.file.display(), it.line, it.rule);
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    (findings.iter().map(short).collect(), text.join("\n"))
}

#[test]
fn a_clean_tree_has_no_findings() {
    let (found, _) = findings(&[]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn an_import_of_a_higher_layer_is_found() {
    let (found, text) = findings(&[
        (
            "lock-runtime/src/types.rs",
            "use crate::wire::command::Command;\npub struct Fence(Command);\n",
        ),
        ("lock-runtime/src/wire/reply.rs", ""),
        ("lock-runtime/src/local/mod.rs", ""),
    ]);
    assert_eq!(found, ["lock-runtime/src/types.rs:1 layers"]);
    assert!(text.contains("is in layer 2 (wire), above layer 1 (types)"), "{text}");
    assert!(text.contains("move the item down"), "{text}");
}

#[test]
fn a_path_in_code_and_one_in_a_macro_count_as_imports() {
    let types = "pub struct Fence;\nfn a() {\n    crate::wire::reply::decode();\n}\n\
                 fn b() {\n    println!(\"{}\", crate::local::count());\n}\n\
                 pin_project! { struct C { field: crate::local::Queue } }\n";
    let (found, _) = findings(&[
        ("lock-runtime/src/types.rs", types),
        ("lock-runtime/src/wire/reply.rs", "pub(crate) fn decode() {}\n"),
        (
            "lock-runtime/src/local/mod.rs",
            "pub(crate) struct Queue;\npub(crate) fn count() -> u8 { 0 }\n",
        ),
    ]);
    let expected = [3, 6, 8].map(|line| format!("lock-runtime/src/types.rs:{line} layers"));
    assert_eq!(found, expected);
}

#[test]
fn a_module_in_no_layer_and_a_layer_without_a_module_are_found() {
    let (found, _) = findings(&[
        ("lock-runtime/src/lib.rs", "mod stray;\nmod types;\nmod wire;\n"),
        ("lock-runtime/src/stray.rs", ""),
    ]);
    assert_eq!(found, ["lock-runtime/src/lib.rs:1 layers", "lock-runtime/src/stray.rs:1 layers"]);
}

#[test]
fn an_import_from_the_crate_root_is_found() {
    let (found, text) = findings(&[(
        "lock-runtime/src/local/mod.rs",
        "use crate::Fence;\npub(crate) struct Queue(Fence);\n",
    )]);
    assert_eq!(found, ["lock-runtime/src/local/mod.rs:1 imports"]);
    assert!(text.contains("import it from `crate::types`, which defines it"), "{text}");
}

#[test]
fn an_import_through_a_re_export_is_found() {
    let (found, text) = findings(&[
        (
            "lock-runtime/src/wire/mod.rs",
            "pub(crate) mod command;\npub(crate) mod reply;\npub(crate) use command::Command;\n",
        ),
        (
            "lock-runtime/src/local/mod.rs",
            "use crate::wire::{self, Command};\nfn send(_: Command, _: wire::Command) {}\n",
        ),
    ]);
    let expected = [1, 2].map(|line| format!("lock-runtime/src/local/mod.rs:{line} imports"));
    assert_eq!(found, expected);
    assert!(text.contains("goes through `crate::wire`"), "{text}");
    assert!(text.contains("import it from `crate::wire::command`"), "{text}");
}

#[test]
fn an_import_through_the_imports_of_the_parent_is_found() {
    let (found, _) = findings(&[
        (
            "lock-runtime/src/local/mod.rs",
            "mod queue;\nuse crate::wire::command::Command;\nfn send(_: Command) {}\n",
        ),
        (
            "lock-runtime/src/local/queue.rs",
            "use super::Command;\npub(crate) struct Queue(Command);\n",
        ),
    ]);
    assert_eq!(found, ["lock-runtime/src/local/queue.rs:1 imports"]);
}

#[test]
fn a_glob_import_is_found_except_of_an_enum() {
    let (found, _) = findings(&[(
        "lock-runtime/src/local/mod.rs",
        "use crate::wire::command::Command;\nuse Command::*;\nuse crate::wire::reply::*;\n",
    )]);
    assert_eq!(found, ["lock-runtime/src/local/mod.rs:3 imports"]);
}

#[test]
fn two_files_of_a_layer_that_import_each_other_are_found() {
    let (found, text) = findings(&[(
        "lock-runtime/src/wire/command.rs",
        "use super::reply::Reply;\npub(crate) enum Command { Acquire, Answer(Box<Reply>) }\n",
    )]);
    assert_eq!(found, ["lock-runtime/src/wire/command.rs:1 cycles"]);
    assert!(text.contains("reply.rs:1 uses `super::command::Command`"), "{text}");
}

#[test]
fn a_circle_of_three_files_is_found_once() {
    let (found, text) = findings(&[
        ("lock-runtime/src/local/mod.rs", "mod a;\nmod b;\nmod c;\n"),
        ("lock-runtime/src/local/a.rs", "use super::b::B;\npub(crate) struct A(Box<B>);\n"),
        ("lock-runtime/src/local/b.rs", "use super::c::C;\npub(crate) struct B(Box<C>);\n"),
        ("lock-runtime/src/local/c.rs", "use super::a::A;\npub(crate) struct C(Box<A>);\n"),
    ]);
    assert_eq!(found, ["lock-runtime/src/local/a.rs:1 cycles"]);
    assert!(text.contains("b.rs:1") && text.contains("c.rs:1"), "{text}");
}

#[test]
fn a_parent_and_its_child_that_import_each_other_are_found() {
    let (found, _) = findings(&[
        (
            "lock-runtime/src/local/mod.rs",
            "mod queue;\nuse self::queue::Queue;\npub(crate) struct Table(Vec<Queue>);\n",
        ),
        (
            "lock-runtime/src/local/queue.rs",
            "use super::Table;\npub(crate) struct Queue;\nfn remove(_: &mut Table) {}\n",
        ),
    ]);
    assert_eq!(found, ["lock-runtime/src/local/mod.rs:2 cycles"]);
}

#[test]
fn a_type_may_be_spread_over_files_of_its_layer() {
    let state = "use super::backlog::Backlog;\npub(crate) struct Protocol(Backlog);\n";
    let backlog = "use super::state::Protocol;\npub(crate) struct Backlog;\n\
                   impl Protocol {\n    fn drain(&mut self) {}\n}\n";
    let files = |backlog: &str| {
        findings(&[
            ("lock-runtime/src/local/mod.rs", "mod backlog;\nmod state;\n"),
            ("lock-runtime/src/local/state.rs", state),
            ("lock-runtime/src/local/backlog.rs", backlog),
        ])
    };
    assert_eq!(files(backlog).0, [""; 0]);
    let without_impl = backlog.replace("impl Protocol", "impl Backlog");
    assert_eq!(files(&without_impl).0, ["lock-runtime/src/local/backlog.rs:1 cycles"]);
}

#[test]
fn tests_may_use_what_is_around_them() {
    let (found, _) = findings(&[(
        "lock-runtime/src/wire/tests.rs",
        "use super::*;\nuse crate::local::Queue;\n#[test]\nfn passes() {}\n",
    )]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_type_name_that_a_crate_defines_twice_is_found() {
    let (found, text) = findings(&[
        ("lock-runtime/src/local/mod.rs", "type Reply = u64;\n"),
        ("lock-macros/src/lib.rs", "struct Fence;\nstruct Reply;\n"),
    ]);
    assert_eq!(found, ["lock-runtime/src/wire/reply.rs:3 type-names"]);
    assert!(text.contains("lock-runtime/src/local/mod.rs:1: rename one of them"), "{text}");
}

#[test]
fn alternatives_of_cfg_in_one_module_are_one_type() {
    let (found, _) = findings(&[(
        "lock-runtime/src/local/mod.rs",
        "#[cfg(unix)]\nstruct Clock;\n#[cfg(not(unix))]\nstruct Clock;\n",
    )]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_test_with_the_type_name_of_the_library_is_found() {
    let (found, _) = findings(&[("lock-runtime/src/wire/tests.rs", "struct Command;\n")]);
    assert_eq!(found, ["lock-runtime/src/wire/tests.rs:1 type-names"]);
}

#[test]
fn a_line_of_more_than_100_columns_is_found() {
    let wide = format!("// {}\n", "x".repeat(98));
    let (found, text) = findings(&[
        ("examples/wide.rs", &wide),
        ("lock-runtime/src/wire/scripts/acquire.lua", &wide.replace("//", "--")),
        (".github/workflows/gate.yml", &wide.replace("//", "##")),
    ]);
    let files = [
        ".github/workflows/gate.yml:1 line-width",
        "examples/wide.rs:1 line-width",
        "lock-runtime/src/wire/scripts/acquire.lua:1 line-width",
    ];
    assert_eq!(found, files);
    assert!(text.contains("101 columns"), "{text}");
}

#[test]
fn markdown_snapshots_ignored_files_urls_and_table_rows_may_be_wider() {
    let wide = format!("// {}\n", "x".repeat(98));
    let url = format!("// See https://docs.rs/{}\n", "x".repeat(98));
    let (found, _) = findings(&[
        ("README.md", &wide),
        ("snapshots/async_fn.rs", &wide),
        ("tests/async_fn.expanded.rs", &wide),
        ("target/debug/out.rs", &wide),
        (".gitignore", "/target\n"),
        ("examples/link.rs", &url),
        ("examples/table.rs", &format!("//! | {} |\n", "x".repeat(98))),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_unit_test_among_library_code_is_found() {
    let (found, text) = findings(&[
        ("lock-runtime/src/types.rs", "pub struct Fence;\n#[cfg(test)]\nmod tests {\n}\n"),
        ("lock-runtime/src/local/mod.rs", "proptest! {\n    #[test]\n    fn a(_ in 0..2) {}\n}\n"),
        ("lock-macros/src/lib.rs", "#[cfg(test)]\nmod parse_test;\n"),
        ("lock-macros/src/parse_test.rs", "#[tokio::test]\nasync fn parses() {}\n"),
    ]);
    let files = [
        "lock-macros/src/parse_test.rs:2 unit-tests",
        "lock-runtime/src/local/mod.rs:1 unit-tests",
        "lock-runtime/src/local/mod.rs:2 unit-tests",
        "lock-runtime/src/types.rs:2 unit-tests",
    ];
    assert_eq!(found, files);
    assert!(text.contains("move it to lock-runtime/src/types/tests.rs"), "{text}");
}

#[test]
fn a_file_or_function_that_the_page_names_and_that_does_not_exist_is_found() {
    let page = format!(
        "{LAYERS}\n`local/mod.rs::send` and `lock-runtime/src/types.rs` exist, `mod.rs` is none.\n\
         `local/mod.rs::receive`\n`wire/codec.rs`\n"
    );
    let (found, text) = findings(&[("ARCHITECTURE.md", &page)]);
    assert_eq!(found, ["ARCHITECTURE.md:10 page", "ARCHITECTURE.md:11 page"]);
    assert!(text.contains("`local/mod.rs` has no function `receive`"), "{text}");
    assert!(text.contains("there is no `wire/codec.rs`"), "{text}");
}

#[test]
fn a_list_of_layers_that_cannot_be_read_is_an_error() {
    for (list, error) in [
        ("# No list\n", "has no block that starts with ```layers"),
        ("```layers\n1 types\n3 wire\n```\n", "layer 3 follows layer 1"),
        ("```layers\n1 types\n2 types\n```\n", "listed twice"),
        ("```layers\ntypes\n```\n", "write `NUMBER MODULE DESCRIPTION`"),
    ] {
        let root = tree(&[("ARCHITECTURE.md", list)]);
        let text = tidy::check(root.path()).expect_err("the list is wrong").to_string();
        assert!(text.contains(error), "{text}");
    }
}

#[test]
fn the_command_fails_and_lists_all_findings() {
    let wide = format!("// {}\n// {}\n", "x".repeat(98), "y".repeat(98));
    let dirty = tree(&[("examples/wide.rs", &wide)]);
    let (status, output) = run(dirty.path());
    assert_eq!(status, Some(1));
    assert!(output.contains("examples/wide.rs:1: [line-width]"), "{output}");
    assert!(output.contains("examples/wide.rs:2: [line-width]"), "{output}");
    assert!(output.ends_with("tidy: 2 findings (2 line-width)\n"), "{output}");

    let clean = tree(&[]);
    assert_eq!(run(clean.path()), (Some(0), "tidy: no findings\n".to_owned()));
}

fn run(root: &Path) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("tidy")
        .arg(root)
        .output()
        .expect("the command runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}
