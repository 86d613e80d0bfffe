use super::*;

#[test]
fn a_violation_is_read_with_its_property_and_schedule() {
    let output = "12 processes\nviolation: seed 4711, property exclusive, after 12 schedules\n";
    let schedule = Some(Schedule { seed: 4711, after: 12 });
    let detection = Detection { by: "exclusive".into(), schedule };
    assert_eq!(of_schedules(false, output), Outcome::Detected(detection));
}

#[test]
fn violations_of_chaos_schedules_are_read_with_their_seed() {
    let output = "          40  schedules\nVIOLATIONS: 3 in seed 7\n";
    let detection = Detection::by("3 violations in seed 7");
    assert_eq!(of_schedules(false, output), Outcome::Detected(detection));
}

#[test]
fn a_property_may_have_several_words() {
    let line = "violation: seed 0, property lost, after a fault, after 1 schedules";
    assert_eq!(violation(line).unwrap().by, "lost, after a fault");
}

#[test]
fn a_failure_without_a_detection_is_unclear() {
    assert_eq!(of_schedules(true, ""), Outcome::Passed);
    assert_eq!(of_tests(true, "test a ... ok"), Outcome::Passed);
    assert_eq!(of_schedules(false, "error: no such argument"), Outcome::Unclear);
    assert_eq!(of_tests(false, "error: no such package"), Outcome::Unclear);
    assert_eq!(of_schedules(false, "violation: seed x, property y"), Outcome::Unclear);
}

#[test]
fn the_first_failed_test_is_read_by_name() {
    let output = "test a::b ... ok\ntest a::c ... FAILED\ntest a::d ... FAILED\nfailures:\n";
    assert_eq!(of_tests(false, output), Outcome::Detected(Detection::by("a::c")));
    assert!(has_failed_test(output));
    assert!(!has_failed_test("test a::b ... ok\n"));
}

#[test]
fn only_a_test_that_does_not_end_is_a_detection_at_the_time_limit() {
    let slow = |test: &str| format!("test {test} has been running for over 60 seconds\n");
    let output = format!("{}{}test a ... ok\n", slow("a"), slow("b"));
    let detection = Detection::by("b does not end");
    assert_eq!(of_hanging_tests(&output), Outcome::Detected(detection));
    assert_eq!(of_hanging_tests("test a ... ok\n"), Outcome::Unclear);
}

#[test]
fn a_panic_in_another_package_is_read_without_its_folder() {
    let output = "panicked at /home/a/registry/src/index-1/loom-0.7/src/rt.rs:215:13:\ndeadlock";
    assert_eq!(panic(output), Some(Detection::by("panic at loom-0.7/src/rt.rs:215:13")));
}

#[test]
fn a_panic_is_a_detection() {
    let output = "thread 'main' (12) panicked at src/queue/line.rs:299:36:\na block has\n";
    let detection = Detection::by("panic at src/queue/line.rs:299:36");
    assert_eq!(of_schedules(false, output), Outcome::Detected(detection.clone()));
    assert_eq!(of_tests(false, output), Outcome::Detected(detection));
}
