//! An annotated function looks like the plain one to every tool: lints, documentation,
//! `cargo expand`.

mod lint_parity {
    mod exceptions;
    mod expansion;
    mod lints;
    mod rustdoc;
    mod support;
}
