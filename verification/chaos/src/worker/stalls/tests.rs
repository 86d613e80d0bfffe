use super::*;

#[test]
fn only_a_late_thread_has_stalled() {
    let due = clock::nanos(Duration::from_secs(7));
    assert_eq!(stall(due, due), None);
    assert_eq!(stall(due, due + clock::nanos(LATE)), None);
    let late = due + clock::nanos(LATE) + 1;
    assert_eq!(stall(due, late), Some(EventKind::Stalled { since: due }));
}
