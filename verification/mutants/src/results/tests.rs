use super::*;

const EFFORT: Effort = Effort { from: 0, simulated: 100, real: 2 };

fn files(of: &[(&str, &str)]) -> Edited {
    of.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect()
}

fn cached(detection: Option<Detection>) -> CachedResult {
    let took = Duration::from_millis(1_500);
    let commit = "abc".to_owned();
    CachedResult { library: 7, tests: 1, commit, took, schedules: Some(100), detection }
}

fn key(library: u64, tests: u64) -> Key {
    Key { library, tests }
}

#[test]
fn a_detection_is_valid_until_the_library_changes() {
    let folder = tempfile::tempdir().unwrap();
    let results = Results { folder: folder.path().join("results") };
    let cached = cached(Some(Detection::by("exclusive")));
    results.put("07-bug", Suite::Sim, &cached).unwrap();
    assert_eq!(results.get("07-bug", Suite::Sim, key(7, 1), EFFORT), Some(cached.clone()));
    assert_eq!(results.get("07-bug", Suite::Sim, key(7, 2), EFFORT), Some(cached.clone()));
    assert_eq!(results.get("07-bug", Suite::Sim, key(8, 1), EFFORT), None);
    assert_eq!(results.latest("07-bug", Suite::Sim), Some(cached));
    assert_eq!(results.get("07-bug", Suite::Units, key(7, 1), EFFORT), None);
}

#[test]
fn a_survivor_runs_again_with_more_schedules_or_other_tests() {
    let folder = tempfile::tempdir().unwrap();
    let results = Results { folder: folder.path().to_owned() };
    results.put("07-bug", Suite::Sim, &cached(None)).unwrap();
    let more = Effort { simulated: 101, ..EFFORT };
    assert!(results.get("07-bug", Suite::Sim, key(7, 1), EFFORT).is_some());
    assert!(results.get("07-bug", Suite::Sim, key(7, 1), more).is_none());
    assert!(results.get("07-bug", Suite::Sim, key(7, 2), EFFORT).is_none());
}

#[test]
fn only_the_sources_of_a_suite_count() {
    let code = files(&[("lock-runtime/src/a.rs", "a"), ("lock-runtime/src/a/tests.rs", "t")]);
    let code = code.into_iter().chain(files(&[("docs/a.md", "a")])).collect();
    let of = |edited: &[(&str, &str)]| Key::new(Suite::Sim, &code, &files(edited), EFFORT);
    let (unchanged, library) = (of(&[]), of(&[("lock-runtime/src/a.rs", "b")]));
    assert_eq!(unchanged, of(&[("docs/a.md", "b")]));
    assert_ne!(unchanged.library, library.library);
    assert_eq!(unchanged.tests, library.tests);
    let tests = of(&[("lock-runtime/src/a/tests.rs", "u")]);
    assert_eq!(unchanged.library, tests.library);
    assert_ne!(unchanged.tests, tests.tests);
}
