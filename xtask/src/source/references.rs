//! Collects what one module defines, imports and names.

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Field, ImplItem, Item, ItemImpl, ItemMod, ItemUse, Macro, Meta, Path, Token,
    TraitItem, Type, UseTree, VisRestricted,
};

use super::{Binding, Definition, Module, Reference, ReferenceKind};

/// Adds to `module` what its items say. The modules inside are left out.
pub(super) fn collect(items: &[Item], module: &mut Module) {
    let test_only = module.test_only;
    let mut collector = Collector { module, test_only, conditional: false, depth: 0 };
    for item in items {
        collector.visit_item(item);
    }
}

/// Whether attributes say that something is compiled for tests only.
pub(super) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|meta| requires_test(&meta))
    })
}

fn requires_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(requires_test)),
        _ => false,
    }
}

struct Collector<'a> {
    module: &'a mut Module,
    test_only: bool,
    /// In an import with a `cfg` attribute.
    conditional: bool,
    /// 0 at the top level of the module, more inside functions and blocks.
    depth: usize,
}

impl Collector<'_> {
    fn within(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.test_only;
        self.test_only |= is_test_only(attributes);
        visit(self);
        self.test_only = before;
    }

    fn define(&mut self, name: &syn::Ident, is_type: bool) {
        let (name, line) = (name.to_string(), name.span().start().line);
        let test_only = self.test_only;
        self.module.definitions.push(Definition { name, line, is_type, test_only });
    }

    fn refer(&mut self, path: Vec<String>, line: usize, kind: ReferenceKind) {
        let (test_only, conditional) = (self.test_only, self.conditional);
        self.module.references.push(Reference { path, line, kind, test_only, conditional });
    }

    fn import(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix);
                }
            }
            UseTree::Name(name) => self.bind(prefix, &name.ident, &name.ident, line),
            UseTree::Rename(rename) => self.bind(prefix, &rename.ident, &rename.rename, line),
            UseTree::Glob(_) => {
                self.refer(prefix.clone(), line, ReferenceKind::Glob);
                if self.depth == 0 {
                    let (path, conditional) = (prefix.clone(), self.conditional);
                    self.module.bindings.push(Binding { name: None, path, conditional });
                }
            }
        }
    }

    fn bind(&mut self, prefix: &[String], name: &syn::Ident, bound: &syn::Ident, line: usize) {
        let mut path = prefix.to_vec();
        if name != "self" {
            path.push(name.to_string());
        }
        let bound = if bound == "self" { path.last().cloned() } else { Some(bound.to_string()) };
        self.refer(path.clone(), line, ReferenceKind::Import);
        if self.depth == 0 {
            let conditional = self.conditional;
            self.module.bindings.push(Binding { name: bound, path, conditional });
        }
    }

    /// Looks for paths and tests in the tokens of a macro call, which are not parsed.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        let mut after_hash = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    (colons, after_hash) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.finish(&mut path, line);
                    (line, colons) = (group.span_open().start().line, 0);
                    let attribute = syn::parse2::<Path>(group.stream()).ok();
                    if after_hash && attribute.is_some_and(|path| is_test_attribute(&path)) {
                        self.module.tests.push(line);
                    }
                    after_hash = false;
                    self.scan(group.stream());
                }
                other => {
                    after_hash =
                        matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '#');
                    self.finish(&mut path, line);
                    colons = 0;
                }
            }
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.refer(path, line, ReferenceKind::Inline);
        }
    }
}

fn is_test_attribute(path: &Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "test")
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = attributes(item);
        self.within(attributes, |this| {
            let (name, is_type) = match item {
                Item::Struct(item) => (Some(&item.ident), true),
                Item::Enum(item) => (Some(&item.ident), true),
                Item::Union(item) => (Some(&item.ident), true),
                Item::Trait(item) => (Some(&item.ident), true),
                Item::TraitAlias(item) => (Some(&item.ident), true),
                Item::Type(item) => (Some(&item.ident), true),
                Item::Fn(item) => (Some(&item.sig.ident), false),
                Item::Const(item) => (Some(&item.ident), false),
                Item::Static(item) => (Some(&item.ident), false),
                Item::Macro(item) => (item.ident.as_ref(), false),
                _ => (None, false),
            };
            if let (Some(name), 0) = (name, this.depth) {
                this.define(name, is_type);
            }
            if let Item::Fn(item) = item
                && item.attrs.iter().any(|attribute| is_test_attribute(attribute.path()))
            {
                this.module.tests.push(item.sig.ident.span().start().line);
            }
            visit::visit_item(this, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let (None, Type::Path(ty)) = (&item.trait_, &*item.self_ty) {
            let segments = ty.path.segments.iter().map(|segment| segment.ident.to_string());
            self.module.implements.push(segments.collect());
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.conditional = !is_test_only(&item.attrs)
                && item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
            self.import(&item.tree, &mut Vec::new());
            self.conditional = false;
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs[..],
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        self.within(attributes, |this| visit::visit_impl_item(this, item));
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes = match item {
            TraitItem::Fn(item) => &item.attrs[..],
            _ => &[],
        };
        self.within(attributes, |this| visit::visit_trait_item(this, item));
    }

    fn visit_field(&mut self, field: &'ast Field) {
        self.within(&field.attrs, |this| visit::visit_field(this, field));
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.refer(segments, path.span().start().line, ReferenceKind::Inline);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        if call.path.segments.last().is_some_and(|last| last.ident == "proptest") {
            self.module.tests.push(call.path.span().start().line);
        }
        // `pin_project! { struct … }` and the like: what is inside is code as it is written.
        if self.depth == 0
            && let Ok(inside) = syn::parse2::<syn::File>(call.tokens.clone())
        {
            inside.items.iter().for_each(|item| self.visit_item(item));
        } else {
            self.scan(call.tokens.clone());
        }
    }

    // `pub(in path)` and attributes name nothing that is used.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
