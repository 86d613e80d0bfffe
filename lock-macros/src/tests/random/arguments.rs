//! Arguments: random tokens, nearly valid arguments, and valid ones.

use proptest::prelude::*;

use super::input::MacroInput;
use super::mutation::mutated;
use super::{fail, one_of, tokens, try_all, valid};

fn nearly_valid() -> impl Strategy<Value = String> {
    let lists = (valid::keys(), valid::options(), tokens::any_tokens(6), valid::options());
    let mixed =
        lists.prop_map(|(keys, some, tokens, more)| format!("{keys}{some}, {tokens}{more}"));
    prop_oneof![mutated(valid::arguments()), mixed]
}

fn any_arguments() -> impl Strategy<Value = String> {
    let after_key = (valid::keys(), tokens::any_tokens(8));
    prop_oneof![
        tokens::any_tokens(10),
        after_key.prop_map(|(keys, tokens)| format!("{keys}, {tokens}")),
        nearly_valid(),
    ]
}

#[test]
fn no_arguments_make_the_macro_panic_and_an_error_is_on_a_token() {
    try_all((any_arguments(), one_of(valid::FUNCTIONS)), |(args, item)| {
        MacroInput::read(&args, &item).map_or(Ok(()), |input| input.check().map(|_| ()))
    });
}

#[test]
fn arguments_from_another_macro_are_accepted_or_refused() {
    try_all((any_arguments(), one_of(valid::FUNCTIONS), any::<u64>()), |(args, item, bits)| {
        let Some(input) = MacroInput::read(&args, &item) else { return Ok(()) };
        let mut bits = bits;
        let input = input.map_args(|args| tokens::with_invisible_groups(args, &mut bits));
        input.check().map(|_| ())
    });
}

#[test]
fn valid_arguments_are_accepted_on_every_kind_of_function() {
    try_all((valid::arguments(), one_of(valid::FUNCTIONS)), |(args, item)| {
        let input = MacroInput::read(&args, &item).ok_or_else(|| fail("no tokens"))?;
        let accepted = input.check()?;
        if accepted { Ok(()) } else { Err(fail("refused")) }
    });
}
