//! The fenced register never takes a lower token after a higher one.
//!
//! Writes are taken in the order of their dates, so the register itself has to date them, while it decides: dates given by
//! the writers, after the reply, may be swapped where two writes are close.

use super::Findings;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    let mut highest: Vec<Option<u32>> = vec![None; run.keys.len()];
    for &(at, writer, accepted) in &run.writes {
        let highest = &mut highest[run.life(writer).key as usize];
        if !accepted {
            continue;
        }
        match *highest {
            Some(before) if run.hold(before).fence > run.hold(writer).fence => {
                let text = format!(
                    "the register of key {} took a write of {} under token {} at {}, after one of {} under token {}",
                    run.keys[run.life(writer).key as usize],
                    run.who(writer),
                    run.hold(writer).fence,
                    run.moment(at),
                    run.who(before),
                    run.hold(before).fence,
                );
                findings.add(Property::Register, at, &[before, writer], text);
            }
            _ => *highest = Some(writer),
        }
    }
}
