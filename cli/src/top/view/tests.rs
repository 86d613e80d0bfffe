use std::time::Duration;

use distlock::LockManager;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

/// Locks as a server shows them: `b` has waited for longest.
fn rows() -> Vec<(String, Inspection)> {
    let inspection = |waiting: u64, held_unix_ms: u64, since_unix_ms: &[u64]| {
        let waiters: Vec<_> = since_unix_ms
            .iter()
            .map(|since| {
                serde_json::json!({
                    "host": "host-b", "pid": 8, "function": "waits", "since_unix_ms": since,
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "holder": {
                "fence": 5, "host": "host-a", "pid": 7, "function": "bank::withdraw",
                "since_unix_ms": held_unix_ms, "held_since_unix_ms": held_unix_ms, "kept": false,
            },
            "not_a_lock": false, "expires_in_ms": 9_000, "waiting": waiting, "waiters": waiters,
        }))
        .unwrap()
    };
    vec![
        ("c".to_owned(), inspection(2, 3_000, &[5_000, 6_000])),
        ("a".to_owned(), inspection(0, 2_000, &[])),
        ("b".to_owned(), inspection(1, 1_000, &[4_000])),
    ]
}

fn press(view: &mut View, code: KeyCode) -> Option<Action> {
    view.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn keys(view: &View) -> String {
    view.rows.iter().map(|(key, _)| key.as_str()).collect()
}

fn screen(view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view.draw(frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn locks_are_sorted_by_each_column_in_turn() {
    let mut view = View::new(Order::Waiters);
    view.show(rows(), false);
    for order in ["cba", "bca", "bac", "abc", "cba"] {
        assert_eq!(keys(&view), order, "by {}", view.order.name());
        press(&mut view, KeyCode::Char('s'));
    }
}

#[test]
fn the_cursor_stays_at_its_key_and_within_the_list() {
    let mut view = View::new(Order::Key);
    view.show(rows(), false);
    assert_eq!(view.selected.as_deref(), Some("a"));
    for (code, key) in [
        (KeyCode::Up, "a"),
        (KeyCode::Down, "b"),
        (KeyCode::Char('s'), "b"),
        (KeyCode::End, "a"),
        (KeyCode::PageDown, "a"),
        (KeyCode::Home, "c"),
    ] {
        press(&mut view, code);
        assert_eq!(view.selected.as_deref(), Some(key), "{code:?}");
    }
    // It goes where its key was.
    view.show(rows().split_off(1), false);
    assert_eq!(view.selected.as_deref(), Some("b"));
    view.show(Vec::new(), false);
    assert_eq!(view.selected, None);
    assert_eq!(press(&mut view, KeyCode::Down), None);
    assert_eq!(press(&mut view, KeyCode::Char('r')), None);
}

#[test]
fn a_lock_is_released_only_after_a_yes() {
    let mut view = View::new(Order::Key);
    view.show(rows(), false);
    for no in [KeyCode::Char('n'), KeyCode::Enter, KeyCode::Esc, KeyCode::Char('r')] {
        assert_eq!(press(&mut view, KeyCode::Char('r')), None);
        assert_eq!(press(&mut view, no), None);
        assert!(screen(&mut view, 80, 12).contains("nothing was released"), "{no:?}");
    }
    press(&mut view, KeyCode::Char('r'));
    let release = press(&mut view, KeyCode::Char('y'));
    let Some(Action::Release(key, token)) = release else { panic!("{release:?}") };
    assert_eq!((key.as_str(), token.get()), ("a", 5));
    assert_eq!(press(&mut view, KeyCode::Char('y')), None, "once");
    // The lock that the question was about is gone.
    press(&mut view, KeyCode::Char('r'));
    view.show(rows().split_off(2), false);
    assert_eq!(press(&mut view, KeyCode::Char('y')), None);
}

#[test]
fn a_terminal_of_any_size_shows_something() {
    let mut view = View::new(Order::Waiters);
    assert!(screen(&mut view, 60, 5).contains("reading the locks"));
    view.show(rows(), false);
    for dialog in [KeyCode::Null, KeyCode::Enter] {
        press(&mut view, dialog);
        for (width, height) in [(1, 1), (10, 3), (200, 60)] {
            screen(&mut view, width, height);
        }
    }
    assert!(screen(&mut view, 100, 20).contains("c is held"));
    view.say("gone".to_owned());
    press(&mut view, KeyCode::Esc);
    let shown = screen(&mut view, 100, 20);
    assert!(shown.contains("3 locks, 3 requests wait, by waiters"), "{shown}");
}

#[test]
fn a_real_lock_is_shown_in_its_columns() {
    let locks = LockManager::connect("memory://").unwrap();
    let guard = locks.mutex("report").ttl(Duration::from_secs(60)).acquire_blocking().unwrap();
    let mut view = View::new(Order::Key);
    view.show(vec![("report".to_owned(), locks.inspect_blocking("report").unwrap())], false);
    let shown = screen(&mut view, 120, 6);
    for part in ["KEY", "LONGEST", "report", &guard.fence().to_string()] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn a_narrow_terminal_shows_the_columns_that_matter_most() {
    let mut view = View::new(Order::Key);
    let key = "order:0123456789";
    view.show(vec![(key.to_owned(), rows().remove(0).1)], false);
    for (width, columns) in [
        (120, &["KEY", "HOLDER", "FUNCTION", "HELD", "LEFT", "TOKEN", "WAITERS", "LONGEST"][..]),
        (80, &["KEY", "HOLDER", "FUNCTION", "HELD", "WAITERS", "LONGEST"]),
        (60, &["KEY", "HOLDER", "HELD", "WAITERS"]),
        (30, &["KEY", "HELD"]),
    ] {
        let shown = screen(&mut view, width, 6);
        let head = shown.lines().nth(1).unwrap().trim_matches('"');
        assert!(head.split_whitespace().eq(columns.iter().copied()), "{width}: {head}");
        assert!(shown.contains(key), "{width}: {shown}");
    }
}

#[test]
fn locks_that_cannot_be_read_again_are_old_until_they_are() {
    let mut view = View::new(Order::Key);
    let why = "the locks with the prefix 'lock:' cannot be listed: 127.0.0.1:1: Connection \
               refused; check that the Redis server runs and can be reached";
    view.fail(why.to_owned());
    assert!(screen(&mut view, 80, 12).contains("the locks cannot be read"));
    view.show(rows(), false);
    assert!(!screen(&mut view, 80, 12).contains("refused"));
    view.fail(why.to_owned());
    press(&mut view, KeyCode::Down);
    let shown = screen(&mut view, 80, 12);
    assert!(shown.contains("ms ago: 3 locks, "), "{shown}");
    assert!(shown.contains("1: Connection") && shown.contains("can be reached"), "{shown}");
}

#[test]
fn a_question_about_a_hold_ends_with_it() {
    let mut view = View::new(Order::Key);
    view.show(rows(), false);
    press(&mut view, KeyCode::Char('r'));
    let mut next = rows();
    let mut state = serde_json::to_value(&next[1].1).unwrap();
    state["holder"]["fence"] = 6.into();
    next[1].1 = serde_json::from_value(state).unwrap();
    view.show(next, false);
    assert!(screen(&mut view, 80, 12).contains("it has another holder by now"));
    assert_eq!(press(&mut view, KeyCode::Char('y')), None);
}

#[test]
fn more_locks_than_the_limit_are_mentioned() {
    let mut view = View::new(Order::Waiters);
    let first = |view: &mut View| screen(view, 80, 6).lines().next().unwrap().to_owned();
    view.show(rows(), true);
    let shown = first(&mut view);
    assert!(shown.contains("3 locks of more, see --limit, 3 requests wait, by wai"), "{shown}");
    view.show(rows().split_off(2), false);
    let shown = first(&mut view);
    assert!(shown.contains("1 lock, 1 request waits, by wai"), "{shown}");
}
