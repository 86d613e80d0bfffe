use super::*;
use crate::outcome::{Detection, Schedule};

const EFFORT: Effort = Effort { from: 0, simulated: 100, real: 2 };

fn mutant() -> Mutant {
    let (title, why) = ("a | b".to_owned(), "two\nholders".to_owned());
    Mutant { name: "07-bug".into(), title, why, edits: Vec::new(), suites: Vec::new() }
}

fn result(detection: Option<(Suite, Detection)>) -> MutantResult {
    let (tried, commit) = (vec![Suite::Sim], "abc".to_owned());
    MutantResult { detection, commit, tried, ..MutantResult::default() }
}

#[test]
fn a_row_names_the_suite_that_detected_the_mutant() {
    let schedule = Some(Schedule { seed: 4, after: 5 });
    let detection = Detection { by: "exclusive".into(), schedule };
    let row = row(&mutant(), &result(Some((Suite::Sim, detection))));
    let expected = "| 07 | a \\| b | two holders | sim: exclusive | 5 schedules | abc |\n";
    assert_eq!(row, expected);
}

#[test]
fn a_survivor_is_shown() {
    let mutant = mutant();
    let text = markdown(&[(&mutant, result(None))], &[(Suite::Sim, Some(100))], EFFORT);
    assert!(text.contains("0 of 1 mutants were detected"));
    assert!(text.contains("**survived** sim"));
    assert!(text.contains("\nSurvived: 07.\n"));
    assert!(text.contains("last ran:\nsim (100 schedules)."));
    assert!(text.contains("no such run of parity,"));
}

#[test]
fn a_mutant_that_was_not_tested_has_not_survived() {
    let missing = MutantResult { missing: vec![Suite::Units], ..MutantResult::default() };
    assert!(row(&mutant(), &missing).contains("not run yet with units"));
}

#[test]
fn a_mutant_that_some_suites_have_not_seen_names_both() {
    let partly = MutantResult { missing: vec![Suite::Units], ..result(None) };
    assert!(row(&mutant(), &partly).contains("not detected by sim; not run yet with units"));
    let mutant = mutant();
    let text = markdown(&[(&mutant, partly)], &[], EFFORT);
    assert!(text.contains("\nSurvived the suites that ran: 07.\n"));
}
