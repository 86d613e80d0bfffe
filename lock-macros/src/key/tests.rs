use super::Placeholders;

#[test]
fn the_highest_number_is_counted_like_any_other() {
    let highest = Placeholders::parse("{18446744073709551615}{}{:18446744073709551615$}");
    assert_eq!(highest.positional, usize::MAX);
}

#[test]
fn a_numbered_and_an_implicit_placeholder_can_take_the_same_argument() {
    assert_eq!(Placeholders::parse("{0}{}").positional, 1);
    assert_eq!(Placeholders::parse("{}{1}{}{:.*}").positional, 4);
}
