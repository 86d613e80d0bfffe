//! Nothing is left over after the run.

use super::Findings;
use crate::event::What;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    for event in &findings.run.leftovers {
        if let What::Leftover { kind, count } = &event.what
            && *count > 0
        {
            let text = format!("p{} left over: {count} of {kind}", event.process);
            findings.add(Property::Leftover, event.at, &[], text);
        }
    }
}
