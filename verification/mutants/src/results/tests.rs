use super::*;

const EFFORT: Effort = Effort { from: 0, simulated: 100, real: 2 };

fn files(of: &[(&str, &str)]) -> Edited {
    of.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect()
}

fn cached(detection: Option<Detection>) -> CachedResult {
    CachedResult { key: 7, took: Duration::from_millis(1_500), schedules: Some(100), detection }
}

#[test]
fn a_result_is_valid_until_the_tested_sources_change() {
    let folder = tempfile::tempdir().unwrap();
    let results = Results { folder: folder.path().join("results") };
    let cached = cached(Some(Detection::by("exclusive")));
    results.put("07-bug", Suite::Sim, &cached).unwrap();
    assert_eq!(results.get("07-bug", Suite::Sim, 7, EFFORT), Some(cached));
    assert_eq!(results.get("07-bug", Suite::Sim, 8, EFFORT), None);
    assert_eq!(results.get("07-bug", Suite::Units, 7, EFFORT), None);
}

#[test]
fn a_survivor_runs_again_with_more_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let results = Results { folder: folder.path().to_owned() };
    results.put("07-bug", Suite::Sim, &cached(None)).unwrap();
    let more = Effort { simulated: 101, ..EFFORT };
    assert!(results.get("07-bug", Suite::Sim, 7, EFFORT).is_some());
    assert!(results.get("07-bug", Suite::Sim, 7, more).is_none());
}

#[test]
fn only_the_sources_of_a_suite_count() {
    let code = files(&[("lock-runtime/src/a.rs", "a"), ("docs/a.md", "a")]);
    let of = |edited: &[(&str, &str)]| key(Suite::Sim, &code, &files(edited), EFFORT);
    assert_eq!(of(&[]), of(&[("docs/a.md", "b")]));
    assert_ne!(of(&[]), of(&[("lock-runtime/src/a.rs", "b")]));
}
