//! Tools treat an annotated function like the plain one: lints, documentation, `cargo expand`.

mod lint_parity {
    mod exceptions;
    mod expansion;
    mod lints;
    mod rustdoc;
    mod support;
}
