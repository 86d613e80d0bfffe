use super::*;

#[test]
fn each_synonym_is_for_an_option_and_is_not_an_option_itself() {
    for (meant, words) in SYNONYMS {
        assert!(option(meant).is_some(), "{meant}");
        assert!(words.split(' ').all(|word| option(word).is_none()), "{words}");
    }
}

#[test]
fn each_word_is_listed_once() {
    let lists = SYNONYMS.iter().chain(&ADVICE).map(|(_, words)| *words).chain([KEY]);
    let mut words: Vec<&str> = lists.flat_map(|words| words.split(' ')).collect();
    let listed = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), listed);
}

#[test]
fn a_misspelled_name_suggests_the_nearest_option() {
    for (misspelled, meant) in
        [("tll", "ttl"), ("tlt", "ttl"), ("wiat", "wait"), ("mangaer", "manager")]
    {
        let nearest = nearest(misspelled).map(|option| option.name);
        assert_eq!(nearest, Some(meant), "{misspelled}");
    }
    assert!(nearest("colour").is_none());
}
