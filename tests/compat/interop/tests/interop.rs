//! The attribute with other attributes and frameworks, in every usual order: the lock is held
//! inside the body, not after it, and the other attribute works as without ours.
#![deny(warnings)]

mod interop {
    mod journal;
    mod support;

    mod async_trait_methods;
    mod axum_handlers;
    mod builtin;
    mod cached_values;
    mod macro_rules_output;
    mod mocks;
    mod orders;
    mod properties;
    mod recursion;
    mod rstest_cases;
    mod streams;
    mod test_cases;
    mod tokio_macros;
    mod tower_services;
    mod tracing_instrument;
    mod variants;
}
