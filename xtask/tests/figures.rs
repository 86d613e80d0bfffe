//! The diagrams in docs/ are those that `cargo xtask figures` writes.

use std::fs;
use std::path::Path;

use xtask::figures;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_diagrams_are_up_to_date() {
    for (name, svg) in figures::all() {
        assert!(read(name) == svg, "docs/{name} is old: cargo xtask figures");
    }
}

#[test]
fn each_figure_of_a_plot_is_one_of_the_benchmarks() {
    let benchmarks = read("benchmarks.md");
    for (name, text, ..) in figures::HANDOFFS {
        assert!(benchmarks.contains(text), "{name}: the benchmarks have no \"{text}\"");
    }
}
