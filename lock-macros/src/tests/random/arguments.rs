//! Arguments: anything at all, what is nearly right, and what is right.

use proptest::prelude::*;

use super::attempt::Attempt;
use super::mutation::mutated;
use super::{fail, one_of, soup, try_all, valid};

fn nearly_right() -> impl Strategy<Value = String> {
    let lists = (valid::keys(), valid::options(), soup::soup(6), valid::options());
    let mixed = lists.prop_map(|(keys, some, soup, more)| format!("{keys}{some}, {soup}{more}"));
    prop_oneof![mutated(valid::arguments()), mixed]
}

fn any_arguments() -> impl Strategy<Value = String> {
    let after_key = (valid::keys(), soup::soup(8));
    prop_oneof![
        soup::soup(10),
        after_key.prop_map(|(keys, soup)| format!("{keys}, {soup}")),
        nearly_right(),
    ]
}

#[test]
fn no_arguments_make_the_macro_panic_and_what_is_wrong_is_refused_at_its_token() {
    try_all((any_arguments(), one_of(valid::FUNCTIONS)), |(args, item)| {
        Attempt::read(&args, &item).map_or(Ok(()), |attempt| attempt.check().map(|_| ()))
    });
}

#[test]
fn arguments_out_of_another_macro_are_read_or_refused_alike() {
    try_all((any_arguments(), one_of(valid::FUNCTIONS), any::<u64>()), |(args, item, bits)| {
        let Some(attempt) = Attempt::read(&args, &item) else { return Ok(()) };
        let mut bits = bits;
        let attempt = attempt.map_args(|args| soup::enveloped(args, &mut bits));
        attempt.check().map(|_| ())
    });
}

#[test]
fn arguments_that_are_right_are_accepted_on_every_kind_of_function() {
    try_all((valid::arguments(), one_of(valid::FUNCTIONS)), |(args, item)| {
        let attempt = Attempt::read(&args, &item).ok_or_else(|| fail("no tokens"))?;
        let accepted = attempt.check()?;
        if accepted { Ok(()) } else { Err(fail("refused")) }
    });
}
