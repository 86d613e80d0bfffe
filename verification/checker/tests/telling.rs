//! Histories as lines of JSON, and as stories.

mod common;

use checker::{Report, Story, lines};
use common::{History, rules};

fn eventful() -> History {
    History::new()
        .asks(100, 141)
        .enters_until(103, 141, 1_700, 130)
        .wrote(104, 141)
        .counted(105, 141, 0)
        .asks_surely(104, 242)
        .queued(105, 242)
        .paused(106, 1)
        .fault(120)
        .enters(131, 242, 1_701)
        .valid(132, 242, 2_100)
        .asks_until(133, 243, None)
        .enters_within(133, 243, 1_701, 242)
        .leaves(134, 243)
        .resumed(150, 1)
        .lost(151, 141)
        .write_refused(151, 141)
        .leaves(152, 141)
        .asks(152, 345)
        .refused(153, 345)
        .asks(152, 346)
        .cancelled(153, 346)
        .crashed(160, 2)
        .total(170, 4, 1)
        .leftover(0)
}

#[test]
fn a_history_comes_back_from_its_lines() {
    let events = eventful().0;
    let mut written = Vec::new();
    for event in &events {
        lines::write(&mut written, event).unwrap();
    }
    assert_eq!(std::str::from_utf8(&written).unwrap().lines().count(), events.len());
    assert_eq!(lines::read(written.as_slice()).unwrap(), events);
}

#[test]
fn a_line_that_was_cut_by_a_kill_is_left_out() {
    let events = eventful().0;
    let mut written = Vec::new();
    lines::write(&mut written, &events[0]).unwrap();
    lines::write(&mut written, &events[1]).unwrap();
    written.truncate(written.len() - 1);
    assert_eq!(lines::read(written.as_slice()).unwrap(), events[..1]);
    assert!(lines::read(&b"{\n"[..]).is_err());
}

#[test]
fn a_history_reads_like_a_story() {
    let history = eventful();
    history.passes();
    let expected = "\
    +0.000 ms         p1/t141 asks for key 4 (#141), to be answered by +1400.000 ms
    +3.000 ms         p1/t141 enters key 4 (#141) under token 1700, valid until +30.000 ms
    +4.000 ms         p1/t141 writes to the register under key 4 (#141): taken
>   +4.000 ms         p2/t242 asks for key 4 (#242), to be answered by +1400.000 ms, which it is sure to have
    +5.000 ms         p1/t141 reads 0 from the counter under key 4 (#141) and writes 1
";
    let story = Story::new(&history.0).marking(&[242]).to_string();
    println!("{story}");
    for (line, expected) in story.lines().zip(expected.lines()) {
        assert_eq!(line.trim_start(), expected.trim_start());
    }
    assert!(story.contains("   +20.000 ms  FAULT          the server forgets all\n"));
    assert!(story.contains("   +51.000 ms  lost   p1/t141 is told that it lost key 4 (#141)\n"));
    assert!(story.contains("   +60.000 ms  CRASH  p2      crashes\n"));
    assert_eq!(story.lines().count(), history.0.len());
}

#[test]
fn reports_of_several_runs_add_up() {
    let mut sum = Report::default();
    sum += History::new().section(0, 10, 101, 7).check(&rules());
    sum += History::new().section(0, 10, 101, 7).leaves(11, 101).check(&rules());
    assert_eq!((sum.events, sum.pairs, sum.violations.len()), (7, 2, 1));
}
