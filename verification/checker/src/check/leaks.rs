//! No resources are left after the run.

use super::Findings;
use crate::event::EventKind;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    for event in &findings.run.leaks {
        if let EventKind::Leak { resource, count } = &event.kind
            && *count > 0
        {
            let text = format!("p{} leaks {resource}: {count}", event.process);
            findings.add(Property::NoLeak, event.at, &[], text);
        }
    }
}
