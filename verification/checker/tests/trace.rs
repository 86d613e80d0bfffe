//! Histories as lines of JSON, and as traces.

mod common;

use checker::{Report, Trace, lines};
use common::{History, rules};

fn eventful() -> History {
    History::new()
        .requests(100, 141)
        .acquires_until(103, 141, 1_700, 130)
        .writes(104, 141)
        .updates_counter(105, 141, 0)
        .must_get(104, 242)
        .queued(105, 242)
        .paused(106, 1)
        .fault(120)
        .acquires(131, 242, 1_701)
        .extends(132, 242, 2_100)
        .requests_until(133, 243, None)
        .re_enters(133, 243, 1_701, 242)
        .releases(134, 243)
        .resumed(150, 1)
        .loss_reported(151, 141)
        .write_rejected(151, 141)
        .releases(152, 141)
        .requests(152, 345)
        .refused(153, 345)
        .requests(152, 346)
        .cancelled(153, 346)
        .crashed(160, 2)
        .total(170, 4, 1)
        .leaks(0)
}

#[test]
fn a_history_survives_a_round_trip_through_lines() {
    let events = eventful().0;
    let mut written = Vec::new();
    for event in &events {
        lines::write(&mut written, event).unwrap();
    }
    assert_eq!(std::str::from_utf8(&written).unwrap().lines().count(), events.len());
    assert_eq!(lines::read(written.as_slice()).unwrap(), events);
}

#[test]
fn an_incomplete_last_line_is_ignored() {
    let events = eventful().0;
    let mut written = Vec::new();
    lines::write(&mut written, &events[0]).unwrap();
    lines::write(&mut written, &events[1]).unwrap();
    written.truncate(written.len() - 1);
    assert_eq!(lines::read(written.as_slice()).unwrap(), events[..1]);
    assert!(lines::read(&b"{\n"[..]).is_err());
}

#[test]
fn a_trace_has_one_readable_line_per_event() {
    let history = eventful();
    history.passes();
    let expected = "\
    +0.000 ms         p1/t141 requests key 4 (#141), deadline +1400.000 ms
    +3.000 ms         p1/t141 acquires key 4 (#141) with token 1700, valid until +30.000 ms
    +4.000 ms         p1/t141 writes to the register under key 4 (#141): accepted
>   +4.000 ms         p2/t242 requests key 4 (#242), deadline +1400.000 ms, must succeed
    +5.000 ms         p1/t141 reads 0 from the counter under key 4 (#141) and writes 1
";
    let trace = Trace::new(&history.0).highlight(&[242]).to_string();
    println!("{trace}");
    for (line, expected) in trace.lines().zip(expected.lines()) {
        assert_eq!(line.trim_start(), expected.trim_start());
    }
    assert!(trace.contains("   +20.000 ms  FAULT          the server loses all data\n"));
    assert!(
        trace.contains("   +51.000 ms  lost   p1/t141 is notified that key 4 (#141) is lost\n")
    );
    assert!(trace.contains("   +60.000 ms  CRASH  p2      crashes\n"));
    assert_eq!(trace.lines().count(), history.0.len());
}

#[test]
fn reports_of_several_runs_can_be_added() {
    let mut sum = Report::default();
    sum += History::new().section(0, 10, 101, 7).check(&rules());
    sum += History::new().section(0, 10, 101, 7).releases(11, 101).check(&rules());
    assert_eq!((sum.events, sum.pairs, sum.violations.len()), (7, 2, 1));
}
