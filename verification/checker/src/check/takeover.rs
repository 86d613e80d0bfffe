//! A key without a live holder is had by a waiter within the span given for it, ttl and guard, plus slack.
//!
//! A key is vacant from when its last hold ended until the next one is entered. While it is, and somebody waits for it, the
//! span runs; it starts anew with every fault, crash and pause, so that what is left is the time after the last of them. A
//! request in a process that crashed or stands still waits for nothing.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

/// A vacancy of a key that is longer than allowed, if somebody waits.
struct Vacancy {
    from: Nanos,
    to: Nanos,
    found: bool,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(span) = findings.rules.takeover else { return };
    let run = findings.run;
    let span = span.saturating_add(findings.rules.slack);
    let mut vacancies: Vec<Vec<Vacancy>> =
        (0..run.keys.len()).map(|key| vacancies(findings, key, span)).collect();
    if vacancies.iter().all(Vec::is_empty) {
        return;
    }
    for index in 0..run.lives.len() {
        let index = u32::try_from(index).expect("fewer requests than 2^32");
        waits(findings, &mut vacancies[run.life(index).key as usize], index, span);
    }
}

fn vacancies(findings: &Findings<'_>, key: usize, span: Nanos) -> Vec<Vacancy> {
    let run = findings.run;
    let mut vacancies = Vec::new();
    let mut from = run.disturbed.unwrap_or(run.start);
    let mut add = |from: Nanos, to: Nanos| {
        if to.saturating_sub(from) > span {
            vacancies.push(Vacancy { from, to, found: false });
        }
    };
    for &request in run.outer(key) {
        add(from, run.hold(request).at);
        from = from.max(run.over(request));
    }
    add(from, run.end);
    vacancies
}

fn waits(findings: &mut Findings<'_>, vacancies: &mut [Vacancy], index: u32, span: Nanos) {
    let run = findings.run;
    let life = run.life(index);
    if vacancies.is_empty() || run.process(life).stands_still() {
        return;
    }
    let until = run.waited_until(life).unwrap_or(run.end);
    let first = vacancies.partition_point(|vacancy| vacancy.to <= life.asked);
    for vacancy in &mut vacancies[first..] {
        let (from, to) = (vacancy.from.max(life.asked), vacancy.to.min(until));
        if vacancy.from >= until {
            return;
        }
        if to.saturating_sub(from) > span {
            if !std::mem::replace(&mut vacancy.found, true) {
                vacant(findings, index, from, to);
            }
            // Those that follow, if it waited for them too, are as long: one violation tells enough of this request.
            return;
        }
    }
}

fn vacant(findings: &mut Findings<'_>, index: u32, from: Nanos, to: Nanos) {
    let run = findings.run;
    let life = run.life(index);
    let text = format!(
        "key {} had no live holder from {} to {} while {} waited, who had asked at {}",
        run.keys[life.key as usize],
        run.moment(from),
        run.moment(to),
        run.who(index),
        run.moment(life.asked),
    );
    findings.add(Property::Takeover, to, &[index], text);
}
