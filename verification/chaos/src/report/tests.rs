use checker::EventKind;

use super::*;

#[test]
fn a_page_is_self_contained_and_shows_holds_and_faults() {
    let event = |at, process, kind| Event { at, process, task: 0, kind };
    let history = [
        event(
            1_000,
            1,
            EventKind::Requested { request: 7, key: 0, deadline: None, must_succeed: false },
        ),
        event(
            2_000,
            1,
            EventKind::Acquired { request: 7, fence: 5, valid_until: 9_000, outer: None },
        ),
        event(3_000, 0, EventKind::Fault("<all> is lost (at 7 ms)".to_owned())),
        event(8_000, 1, EventKind::Released { request: 7 }),
    ];
    let picture = Timeline(&history).to_string();
    assert!(picture.starts_with("<svg") && picture.contains("token 5"));
    assert!(picture.contains("&lt;all&gt; is lost"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    Page::default().write(&path, &Tally::default(), Duration::from_secs(90)).unwrap();
    let html = fs::read_to_string(path).unwrap();
    assert!(html.contains("no violation in 0 schedules, 1m 30s"));
    assert!(!html.contains("http") && !html.contains("<script"));
}
