//! Reads the files of a crate, following its `mod` declarations.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use super::references::{self, is_test_only};
use super::{Crate, Module, ModuleId, SourceFile};

/// Reads the crate whose `lib.rs`, or `main.rs` if it has no library, is in `folder`, which is
/// given from `root` on.
///
/// # Errors
///
/// If a file is missing or is not Rust.
pub fn load(root: &Path, folder: &str) -> Result<Crate> {
    let mut crate_ = Crate::default();
    let source = Path::new(folder);
    let place = Place { parent: None, path: Vec::new(), test_only: false };
    let loader = &mut Loader { root, crate_: &mut crate_ };
    let library = source.join("lib.rs");
    let file = if root.join(&library).exists() { library } else { source.join("main.rs") };
    loader.file(&file, source, place)?;
    Ok(crate_)
}

struct Loader<'a> {
    root: &'a Path,
    crate_: &'a mut Crate,
}

/// Where a module is in the tree.
struct Place {
    parent: Option<ModuleId>,
    path: Vec<String>,
    test_only: bool,
}

impl Loader<'_> {
    /// Reads one file; its modules are in `folder`.
    fn file(&mut self, path: &Path, folder: &Path, place: Place) -> Result<ModuleId> {
        let full = self.root.join(path);
        let text =
            fs::read_to_string(&full).with_context(|| format!("cannot read {}", full.display()))?;
        let parsed =
            syn::parse_file(&text).with_context(|| format!("cannot parse {}", full.display()))?;
        let test_only = place.test_only || is_test_only(&parsed.attrs);
        let place = Place { test_only, ..place };
        self.crate_.files.push(SourceFile { path: path.to_owned(), text, test_only });
        let file = self.crate_.files.len() - 1;
        self.module(file, None, &parsed.items, path, folder, place)
    }

    fn module(
        &mut self,
        file: usize,
        inline_at: Option<usize>,
        items: &[Item],
        path: &Path,
        folder: &Path,
        place: Place,
    ) -> Result<ModuleId> {
        let id = self.crate_.modules.len();
        let mut module = Module {
            path: place.path,
            file,
            parent: place.parent,
            test_only: place.test_only,
            inline_at,
            children: std::collections::BTreeMap::new(),
            definitions: Vec::new(),
            bindings: Vec::new(),
            references: Vec::new(),
            implements: Vec::new(),
            tests: Vec::new(),
        };
        references::collect(items, &mut module);
        self.crate_.modules.push(module);
        for item in items {
            if let Item::Mod(item) = item {
                self.child(id, item, path, folder)?;
            }
        }
        Ok(id)
    }

    fn child(
        &mut self,
        parent: ModuleId,
        item: &ItemMod,
        path: &Path,
        folder: &Path,
    ) -> Result<()> {
        let name = item.ident.to_string();
        let around = &self.crate_.modules[parent];
        let place = Place {
            parent: Some(parent),
            path: around.path.iter().chain([&name]).cloned().collect(),
            test_only: around.test_only || is_test_only(&item.attrs),
        };
        let file = around.file;
        let id = if let Some((_, items)) = &item.content {
            let line = item.span().start().line;
            self.module(file, Some(line), items, path, &folder.join(&name), place)?
        } else {
            let (path, folder) = self.find(item, &name, path, folder)?;
            self.file(&path, &folder, place)?
        };
        self.crate_.modules[parent].children.insert(name, id);
        Ok(())
    }

    /// The file of a module and the folder of the modules inside it.
    fn find(
        &self,
        item: &ItemMod,
        name: &str,
        declared_in: &Path,
        folder: &Path,
    ) -> Result<(PathBuf, PathBuf)> {
        if let Some(given) = item.attrs.iter().find_map(path_attribute) {
            let path = declared_in.parent().unwrap_or(Path::new("")).join(given);
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            return Ok((path, folder));
        }
        let inside = folder.join(name);
        for path in [folder.join(format!("{name}.rs")), inside.join("mod.rs")] {
            if self.root.join(&path).exists() {
                return Ok((path, inside));
            }
        }
        bail!("{} declares the module `{name}`, which has no file", declared_in.display())
    }
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}
