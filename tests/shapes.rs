//! The attribute on every shape of function: each compiles with warnings denied and behaves as the
//! function without it does. The numbers beside the tests are those of the list of shapes.
#![deny(warnings)]

mod shapes {
    mod support;

    mod arguments;
    mod attributes;
    mod bodies;
    mod borrows;
    mod busy;
    mod callbacks;
    mod computed;
    mod context;
    mod control;
    mod conversions;
    mod defaults;
    mod dispatch;
    mod futures;
    mod generics;
    mod holds;
    mod inference;
    mod keys;
    mod lifetimes;
    mod list;
    mod lists;
    mod long;
    mod macros;
    mod managers;
    mod many_calls;
    mod methods;
    mod named;
    mod names;
    mod opaque;
    mod operators;
    mod options;
    mod patterns;
    mod qualifiers;
    mod reassigned;
    mod receivers;
    mod rendered;
    mod returned;
    mod runtimes;
    mod sending;
    mod taken;
    mod tasks;
    mod teardown;
    mod temporaries;
    mod traits;
    mod traits_async;
    mod values;
    mod values_async;
    mod waiting;
}
