//! A waiter gets a key without a live holder within the takeover limit, ttl plus server slack, plus
//! the slack of the run.
//!
//! A key is vacant from the end of its last hold until the next one begins. The limit applies to
//! the time in which the key is vacant and a request waits for it. It restarts with every fault,
//! crash and pause, so only the time after the last of them counts. Requests of crashed or paused
//! processes do not count as waiting.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

/// A period in which a key was vacant, longer than allowed if a request waits.
struct Vacancy {
    from: Nanos,
    to: Nanos,
    reported: bool,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(limit) = findings.rules.takeover else { return };
    let run = findings.run;
    let limit = limit.saturating_add(findings.rules.slack);
    let mut vacancies: Vec<Vec<Vacancy>> =
        (0..run.keys.len()).map(|key| vacancies(findings, key, limit)).collect();
    if vacancies.iter().all(Vec::is_empty) {
        return;
    }
    for index in 0..run.requests.len() {
        let index = u32::try_from(index).expect("fewer requests than 2^32");
        check_waiter(findings, &mut vacancies[run.request(index).key as usize], index, limit);
    }
}

fn vacancies(findings: &Findings<'_>, key: usize, limit: Nanos) -> Vec<Vacancy> {
    let run = findings.run;
    let mut vacancies = Vec::new();
    let mut from = run.last_disturbance.unwrap_or(run.start);
    let mut add = |from: Nanos, to: Nanos| {
        if to.saturating_sub(from) > limit {
            vacancies.push(Vacancy { from, to, reported: false });
        }
    };
    for &request in run.outermost(key) {
        add(from, run.hold(request).at);
        from = from.max(run.end_of(request));
    }
    add(from, run.end);
    vacancies
}

fn check_waiter(findings: &mut Findings<'_>, vacancies: &mut [Vacancy], index: u32, limit: Nanos) {
    let run = findings.run;
    let record = run.request(index);
    if vacancies.is_empty() || run.process(record).is_paused() {
        return;
    }
    let until = run.waited_until(record).unwrap_or(run.end);
    let first = vacancies.partition_point(|vacancy| vacancy.to <= record.requested);
    for vacancy in &mut vacancies[first..] {
        let (from, to) = (vacancy.from.max(record.requested), vacancy.to.min(until));
        if vacancy.from >= until {
            return;
        }
        if to.saturating_sub(from) > limit {
            if !std::mem::replace(&mut vacancy.reported, true) {
                add_violation(findings, index, from, to);
            }
            // One violation per request is enough.
            return;
        }
    }
}

fn add_violation(findings: &mut Findings<'_>, index: u32, from: Nanos, to: Nanos) {
    let run = findings.run;
    let record = run.request(index);
    let text = format!(
        "key {} had no live holder from {} to {} while {}, requested at {}, waited",
        run.keys[record.key as usize],
        run.time(from),
        run.time(to),
        run.who(index),
        run.time(record.requested),
    );
    findings.add(Property::Takeover, to, &[index], text);
}
