//! How `cargo xtask loc` counts.

use xtask::loc::rust_lines;

#[track_caller]
fn counts(text: &str, library: usize, tests: usize) {
    assert_eq!(rust_lines(text).expect("Rust"), (library, tests));
}

#[test]
fn blank_lines_and_comments_are_no_code() {
    counts("//! Docs.\n\n// Why.\n/* More\n   of it. */\nfn a() {\n}\n", 2, 0);
}

#[test]
fn doc_comments_are_no_code_and_attributes_are() {
    counts("/// Docs,\n/// two lines.\n#[must_use]\nfn a() -> u8 {\n    1 // one\n}\n", 4, 0);
}

#[test]
fn each_line_of_a_string_is_code() {
    counts("const A: &str = \"one\n\n// three\";\n", 3, 0);
}

#[test]
fn items_for_tests_are_counted_separately() {
    counts("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n", 2, 4);
    counts("#[cfg(test)]\nmod tests;\nfn a() {}\n", 1, 2);
}
