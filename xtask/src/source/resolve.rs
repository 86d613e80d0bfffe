//! Follows a path to the module that defines what it names.

use super::{Crate, ModuleId};

/// Imports that lead to each other end the search.
const DEEPEST: usize = 32;

/// What a path leads to, and through what.
#[derive(Debug)]
pub struct Resolved {
    /// What it names.
    pub target: Target,
    /// The name of the item, if it is one of this crate.
    pub item: Option<String>,
    /// The modules whose imports or re-exports it passes through, the one it is written in left
    /// out.
    pub through: Vec<ModuleId>,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A module of this crate.
    Module(ModuleId),
    /// An item that this module defines, or that a macro makes there.
    ItemOf(ModuleId),
    /// Something of another crate that this module re-exports.
    ForeignFrom(ModuleId),
}

enum Entity {
    Module(ModuleId),
    Item(ModuleId, String),
    Foreign,
}

impl Crate {
    /// What `path` names in the module `from`; none for a path of another crate.
    #[must_use]
    pub fn resolve(&self, from: ModuleId, path: &[String]) -> Option<Resolved> {
        let mut through = Vec::new();
        let entity = self.follow(from, path, &mut through, 0)?;
        through.retain(|module| *module != from);
        let (target, item) = match (entity, through.last()) {
            (Entity::Module(module), _) => (Target::Module(module), None),
            (Entity::Item(module, item), _) => (Target::ItemOf(module), Some(item)),
            (Entity::Foreign, Some(last)) => (Target::ForeignFrom(*last), None),
            (Entity::Foreign, None) => return None,
        };
        Some(Resolved { target, item, through })
    }

    fn follow(
        &self,
        from: ModuleId,
        path: &[String],
        through: &mut Vec<ModuleId>,
        depth: usize,
    ) -> Option<Entity> {
        if depth > DEEPEST {
            return None;
        }
        let mut module = from;
        let mut relative = true;
        for (index, segment) in path.iter().enumerate() {
            let is_last = index + 1 == path.len();
            match segment.as_str() {
                "crate" => module = 0,
                "self" => {}
                "super" => module = self.modules[module].parent?,
                name => match self.look_up(module, name, is_last, through, depth + 1) {
                    Some(Entity::Module(found)) => module = found,
                    // What follows an item belongs to it: a variant, an associated function.
                    Some(found) => return Some(found),
                    // A path that starts with an unknown name is of another crate.
                    None if relative => return None,
                    None => return Some(Entity::Item(module, name.to_owned())),
                },
            }
            relative = false;
        }
        Some(Entity::Module(module))
    }

    fn look_up(
        &self,
        module: ModuleId,
        name: &str,
        is_last: bool,
        through: &mut Vec<ModuleId>,
        depth: usize,
    ) -> Option<Entity> {
        let here = &self.modules[module];
        let defined = here.definitions.iter().any(|definition| definition.name == name);
        let mut named =
            here.bindings.iter().filter(|binding| binding.name.as_deref() == Some(name)).peekable();
        // A function may have the name of a module; only the module can have something inside.
        let is_function = is_last && (defined || named.peek().is_some());
        if let Some(child) = here.children.get(name)
            && !is_function
        {
            return Some(Entity::Module(*child));
        }
        if defined || named.peek().is_some_and(|binding| binding.conditional) {
            return Some(Entity::Item(module, name.to_owned()));
        }
        for binding in named {
            let before = through.len();
            through.push(module);
            if binding.path[0] == name && !here.children.contains_key(name) {
                // `use tokio::sync as tokio` and the like would ask for themselves.
                return Some(Entity::Foreign);
            }
            match self.follow(module, &binding.path, through, depth) {
                Some(found) => return Some(found),
                None if binding.path.len() > 1 => return Some(Entity::Foreign),
                None => through.truncate(before),
            }
        }
        for glob in here.bindings.iter().filter(|binding| binding.name.is_none()) {
            let before = through.len();
            through.push(module);
            if let Some(Entity::Module(target)) = self.follow(module, &glob.path, through, depth)
                && target != module
                && depth < DEEPEST
                && let Some(found) = self.look_up(target, name, is_last, through, depth + 1)
            {
                return Some(found);
            }
            through.truncate(before);
        }
        None
    }
}
