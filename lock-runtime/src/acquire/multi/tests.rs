use super::*;

fn texts(keys: &LockKeys) -> Vec<&str> {
    match keys {
        LockKeys::Single(text) => vec![text],
        LockKeys::Multiple(texts) => texts.iter().map(String::as_str).collect(),
        LockKeys::Listed(listed) => texts(&listed.keys),
    }
}

#[test]
fn keys_are_sorted_and_distinct() {
    let (a, b) = (7, 3);
    let keys =
        LockKeys::from_list(&[format_args!("k:{a}"), format_args!("k:{b}"), format_args!("k:7")]);
    assert_eq!(texts(&keys), ["k:3", "k:7"]);
}

#[test]
fn equal_keys_are_one_key() {
    let (a, b) = (7, "7");
    let keys = LockKeys::from_list(&[format_args!("k:{a}"), format_args!("k:{b}")]);
    assert!(matches!(&keys, LockKeys::Single(text) if text == "k:7"), "{keys:?}");
}

#[test]
fn a_list_keeps_its_own_order() {
    let (a, b) = (7, 3);
    let keys =
        LockKeys::listed(&[format_args!("k:{a}"), format_args!("k:{b}"), format_args!("k:7")]);
    assert_eq!(texts(&keys), ["k:3", "k:7"]);
    assert_eq!(keys.list(), ["k:7", "k:3", "k:7"]);
}

#[test]
fn a_constant_key_is_borrowed() {
    let keys = LockKeys::from_list(&[format_args!("constant")]);
    assert!(matches!(&keys, LockKeys::Single(Cow::Borrowed("constant"))), "{keys:?}");
}
