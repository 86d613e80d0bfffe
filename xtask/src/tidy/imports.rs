//! A layer uses only lower layers, and names each item by the module that defines it.
//!
//! Both an import (`use crate::…`, `use super::…`) and a path in code (`crate::x::y()`) count.
//! The crate root is the public face: it may name everything, and nothing may import from it.
//!
//! Code for tests may use any layer, since the library does not depend on it, and may reach its
//! subject by `use super::*`. It does not import from the crate root either.

use super::Finding;
use crate::architecture::{FILE, Layers};
use crate::source::{Crate, ModuleId, Reference, ReferenceKind, Target};

/// The crate root.
const ROOT: ModuleId = 0;

/// Finds imports of a higher layer, imports past the defining module, and modules in no layer.
#[must_use]
pub fn check(crate_: &Crate, layers: &Layers) -> Vec<Finding> {
    let checker = Checker { crate_, layers };
    let mut findings = checker.unlisted();
    for (id, module) in crate_.modules.iter().enumerate() {
        // Inline modules of `lib.rs`, for example `__private`, are part of the face.
        if module.file == crate_.modules[ROOT].file {
            continue;
        }
        for reference in &module.references {
            findings.extend(checker.reference(id, reference));
        }
    }
    findings
}

struct Checker<'a> {
    crate_: &'a Crate,
    layers: &'a Layers,
}

impl Checker<'_> {
    fn unlisted(&self) -> Vec<Finding> {
        let root = &self.crate_.modules[ROOT];
        let in_files = |id: &ModuleId| self.crate_.modules[*id].inline_at.is_none();
        let mut findings: Vec<Finding> = root
            .children
            .iter()
            .filter(|(name, id)| in_files(id) && self.layers.number(name).is_none())
            .map(|(name, id)| {
                let message = format!(
                    "`{name}` is in no layer: move it into the folder of one, or list it in {FILE}"
                );
                Finding::new(self.crate_, *id, 1, "layers", message)
            })
            .collect();
        let missing = self.layers.modules().filter(|name| !root.children.contains_key(*name));
        findings.extend(missing.map(|name| {
            let message = format!("{FILE} lists the layer `{name}`, which is no module: remove it");
            Finding::new(self.crate_, ROOT, 1, "layers", message)
        }));
        findings
    }

    fn reference(&self, from: ModuleId, reference: &Reference) -> Option<Finding> {
        let module = &self.crate_.modules[from];
        let test_only = module.test_only || reference.test_only;
        let finding =
            |rule, message| Some(Finding::new(self.crate_, from, reference.line, rule, message));
        let written = reference.path.join("::");
        if self.starts_at_an_import(from, reference) {
            return None;
        }
        let resolved = self.crate_.resolve(from, &reference.path)?;
        let (Target::Module(target) | Target::ItemOf(target) | Target::ForeignFrom(target)) =
            resolved.target;

        if let (Some(own), Some(other)) = (self.layer(from), self.layer(target))
            && own.0 < other.0
            && !test_only
        {
            return finding(
                "layers",
                format!(
                    "`{written}` is in layer {} ({}), above layer {} ({}), which may use only \
                     lower \
                     ones: move the item down, or the code that uses it up",
                    other.0, other.1, own.0, own.1
                ),
            );
        }
        let through_root = resolved.through.contains(&ROOT);
        let is_item_of_root = matches!(resolved.target, Target::ItemOf(ROOT));
        if through_root || is_item_of_root {
            return finding(
                "imports",
                format!(
                    "`{written}` is imported from the crate root, which is for users: {}",
                    self.advice(&resolved.target)
                ),
            );
        }
        if test_only {
            return None;
        }
        if reference.kind == ReferenceKind::Glob && matches!(resolved.target, Target::Module(_)) {
            return finding(
                "imports",
                format!("`{written}::*` hides what is used: name the items"),
            );
        }
        if let (Some(passed), Target::Module(_) | Target::ItemOf(_)) =
            (resolved.through.first(), resolved.target)
        {
            return finding(
                "imports",
                format!(
                    "`{written}` goes through `{}`, which only imports it: {}",
                    self.crate_.name(*passed),
                    self.advice(&resolved.target)
                ),
            );
        }
        None
    }

    /// Whether an imported item comes first, so that its import was checked already.
    fn starts_at_an_import(&self, from: ModuleId, reference: &Reference) -> bool {
        reference.kind == ReferenceKind::Inline
            && self.crate_.modules[from]
                .bindings
                .iter()
                .any(|binding| binding.name.as_ref() == reference.path.first())
            && self
                .crate_
                .resolve(from, &reference.path[..1])
                .is_some_and(|resolved| matches!(resolved.target, Target::ItemOf(_)))
    }

    fn advice(&self, target: &Target) -> String {
        match *target {
            Target::Module(module) => format!("write `{}`", self.crate_.name(module)),
            Target::ItemOf(ROOT) => "move the item into the module of a layer".to_owned(),
            Target::ItemOf(module) => {
                format!("import it from `{}`, which defines it", self.crate_.name(module))
            }
            Target::ForeignFrom(_) => "import it from its own crate".to_owned(),
        }
    }

    fn layer(&self, module: ModuleId) -> Option<(usize, &str)> {
        let name = self.crate_.modules[module].path.first()?;
        Some((self.layers.number(name)?, name))
    }
}
