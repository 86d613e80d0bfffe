//! The fenced register never accepts a lower token after a higher one.
//!
//! The check reads writes in the order of their timestamps. So the register has to stamp them while
//! it decides: if the writers stamped them after the reply, close writes could be swapped.

use super::Findings;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    let mut highest: Vec<Option<u32>> = vec![None; run.keys.len()];
    for &(at, writer, accepted) in &run.register_writes {
        let highest = &mut highest[run.request(writer).key as usize];
        if !accepted {
            continue;
        }
        match *highest {
            Some(before) if run.hold(before).fence > run.hold(writer).fence => {
                let text = format!(
                    "the register of key {} accepted a write of {} with token {} at {}, after one \
                     of {} with token {}",
                    run.keys[run.request(writer).key as usize],
                    run.who(writer),
                    run.hold(writer).fence,
                    run.time(at),
                    run.who(before),
                    run.hold(before).fence,
                );
                findings.add(Property::FencedRegister, at, &[before, writer], text);
            }
            _ => *highest = Some(writer),
        }
    }
}
