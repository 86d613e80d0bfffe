//! A crate defines a type name once, so that a reader who searches for it finds one type.
//!
//! Structs, enums, unions, traits and type aliases count, also those of tests if they have the name
//! of a library type. Two definitions in one module are alternatives of `cfg`.

use std::collections::BTreeMap;

use super::Finding;
use crate::source::{Crate, Definition, ModuleId};

/// Finds names that a crate defines in more than one module.
#[must_use]
pub fn check(crate_: &Crate) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<(ModuleId, &Definition)>> = BTreeMap::new();
    for (id, module) in crate_.modules.iter().enumerate() {
        for definition in module.definitions.iter().filter(|definition| definition.is_type) {
            let places = by_name.entry(&definition.name).or_default();
            if places.iter().all(|(known, _)| *known != id) {
                places.push((id, definition));
            }
        }
    }
    let mut findings = Vec::new();
    for (name, mut places) in by_name {
        let is_test = |place: &(ModuleId, &Definition)| {
            place.1.test_only || crate_.modules[place.0].test_only
        };
        places.sort_by_key(is_test);
        let first = places[0];
        for place in &places[1..] {
            // Tests of different modules may name their helpers alike.
            if is_test(place) && is_test(&first) {
                continue;
            }
            let file = crate_.files[crate_.modules[first.0].file].path.display();
            let message = format!(
                "`{name}` is also the name of a type at {file}:{}: rename one of them",
                first.1.line
            );
            findings.push(Finding::new(crate_, place.0, place.1.line, "type-names", message));
        }
    }
    findings
}
