use super::*;

fn edit(find: &str, replace: &str) -> Edit {
    Edit { file: "a.rs".into(), find: find.into(), replace: replace.into() }
}

fn mutant(edits: Vec<Edit>) -> Mutant {
    let (title, why) = (String::new(), String::new());
    Mutant { name: "07-some-bug".into(), title, why, edits, suites: Suite::cheapest_first() }
}

#[test]
fn an_edit_replaces_the_only_occurrence_of_its_text() {
    let text = "let a = 1;\nlet b = 2;\n";
    assert_eq!(edit("b = 2", "b = 3").apply(text).unwrap(), "let a = 1;\nlet b = 3;\n");
    assert_eq!(edit("let a = 1;\n", "").apply(text).unwrap(), "let b = 2;\n");
}

#[test]
fn an_edit_whose_text_occurs_twice_or_never_is_rejected() {
    assert_eq!(edit("let", "const").apply("let a; let b;"), Err(EditError::NotOnce(2)));
    assert_eq!(edit("let c", "const").apply("let a; let b;"), Err(EditError::NotOnce(0)));
    assert_eq!(edit("let a", "let a").apply("let a; let b;"), Err(EditError::NoChange));
}

#[test]
fn edits_of_one_file_are_applied_in_order() {
    let sources = Edited::from([("a.rs".into(), b"one".to_vec())]);
    let edited = mutant(vec![edit("one", "two"), edit("two", "three")]).apply_to(&sources).unwrap();
    assert_eq!(edited, Edited::from([("a.rs".into(), b"three".to_vec())]));
    assert!(mutant(vec![edit("two", "three")]).apply_to(&sources).is_err());
    assert!(mutant(vec![edit("one", "two")]).apply_to(&Edited::new()).is_err());
}

#[test]
fn a_mutant_is_read_from_its_file() {
    let text = r#"
        title = "deadline counted from the reply"
        why = "two holders"
        suites = ["sim", "chaos"]
        [[edit]]
        file = "a.rs"
        find = '''
sent
'''
        replace = "now\n"
    "#;
    let mutant: Mutant = toml::from_str(text).unwrap();
    assert_eq!(mutant.suites, [Suite::Sim, Suite::Chaos]);
    assert_eq!(mutant.edits[0].find, "sent\n");
    assert!(toml::from_str::<Mutant>("title = 'a'\nwhy = 'b'\nedit = []\nodd = 1").is_err());
}

#[test]
fn every_mutant_fits_the_sources() {
    let root = crate::workspace();
    let sources = crate::source_copy::sources(&root).unwrap();
    let mutants = Mutant::all(&root.join("verification/mutants/bugs")).unwrap();
    assert!(mutants.len() >= 30);
    for pair in mutants.windows(2) {
        assert_ne!(pair[0].number(), pair[1].number());
    }
    for mutant in mutants {
        mutant.apply_to(&sources).unwrap();
    }
}
