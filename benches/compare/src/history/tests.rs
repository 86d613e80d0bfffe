use super::*;

const WINDOW: Window = Window { start: 0, end: 1_000_000_000 };

fn section(asked: u64, entered: u64, fence: Option<u64>) -> Section {
    Section { asked, entered, left: entered + 1, fence }
}

fn log(sections: &[Section]) -> Log {
    Log { sections: sections.to_vec(), ..Log::default() }
}

#[test]
fn tokens_give_the_order_where_all_have_one() {
    // The clock readings say A A B, the tokens A B A.
    let a = log(&[section(1, 10, Some(1)), section(11, 20, Some(3))]);
    let b = log(&[section(2, 30, Some(2))]);
    assert_eq!(History::new(WINDOW, 0, vec![vec![a, b]]).changes(), 2);
}

#[test]
fn without_tokens_the_clock_gives_the_order() {
    let a = log(&[section(1, 10, None), section(11, 20, None)]);
    let b = log(&[section(2, 30, None)]);
    let history = History::new(WINDOW, 0, vec![vec![a], vec![b]]);
    assert_eq!(history.changes(), 1);
    assert_eq!(history.acquisitions(), 3);
    assert_eq!(history.least_and_most(), (1, 2));
}

#[test]
fn workers_of_the_same_number_in_two_processes_are_two_owners() {
    let one = |entered| vec![log(&[section(1, entered, None)])];
    assert_eq!(History::new(WINDOW, 0, vec![one(10), one(20)]).changes(), 1);
}

#[test]
fn what_begins_after_the_end_does_not_count_but_was_waited_for() {
    let late = log(&[section(400_000_000, 2_000_000_000, None)]);
    let never = Log { unserved: Some(300_000_000), ..Log::default() };
    let history = History::new(WINDOW, 0, vec![vec![late, never]]);
    assert_eq!(history.acquisitions(), 0);
    assert_eq!(history.least_and_most(), (0, 0));
    assert_eq!(history.longest_wait(), Duration::from_millis(700));
}

#[test]
fn rates_are_per_window() {
    let window = Window { start: 0, end: 500_000_000 };
    let a = log(&[section(1, 10, None), section(20, 30, None)]);
    let b = log(&[section(2, 20, None)]);
    let history = History::new(window, 30_000, vec![vec![a, b]]);
    assert!((history.per_second() - 6.0).abs() < 1e-9);
    assert!((history.changes_per_second() - 4.0).abs() < 1e-9);
    assert!((history.changing_share() - 2.0 / 3.0).abs() < 1e-9);
    assert!((history.cpu_micros_each() - 10.0).abs() < 1e-9);
}

#[test]
fn later_requests_that_acquired_first_are_counted() {
    // B asks at 5. A enters at 10 (asked at 1: in order), and again at 20 and 30, asked at 11
    // and 21.
    let a = [section(1, 10, Some(1)), section(11, 20, Some(2)), section(21, 30, Some(3))];
    let b = [section(5, 40, Some(4))];
    let history = History::new(WINDOW, 0, vec![vec![log(&a)], vec![log(&b)]]);
    assert_eq!(history.max_bypass(), 2);
}

#[test]
fn a_local_handoff_is_not_a_bypass() {
    let a = [section(1, 10, Some(1)), section(11, 20, Some(2))];
    let b = [section(5, 30, Some(3))];
    assert_eq!(History::new(WINDOW, 0, vec![vec![log(&a), log(&b)]]).max_bypass(), 0);
}

#[test]
fn requests_in_order_are_not_bypassed() {
    let a = [section(1, 10, Some(1)), section(11, 30, Some(3))];
    let b = [section(5, 20, Some(2)), section(21, 40, Some(4))];
    let history = History::new(WINDOW, 0, vec![vec![log(&a)], vec![log(&b)]]);
    assert_eq!(history.max_bypass(), 0);
}
