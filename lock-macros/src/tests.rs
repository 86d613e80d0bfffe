//! Expansions as text. Each file in `snapshots` has an annotated function and, below a line, its
//! expansion. `UPDATE_SNAPSHOTS=1` rewrites the expansions.

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Item, ItemFn, Meta, MetaList, Stmt};

mod long_bodies;
mod messages;
mod random;

const LINE: &str = "\n// ---- expands to ----\n\n";

#[test]
fn an_expansion_is_the_same_as_its_snapshot() {
    for path in snapshots() {
        let text = fs::read_to_string(&path).expect("the snapshot can be read");
        let (input, expected) = text.split_once(LINE).unwrap_or((&text, ""));
        let output = expansion(input);
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, format!("{input}{LINE}{output}"))
                .expect("the snapshot can be written");
        } else {
            assert_eq!(output, expected, "{}", path.display());
        }
    }
}

// Attributes such as `fastrace::trace` keep only the last expression of such a function.
#[test]
fn a_returned_future_needs_no_statement_before_it() {
    let returned =
        ["impl Future<Output = R>", "BoxFuture<'_, R>", "Pin<Box<dyn Future<Output = R>>>"];
    for returned in returned {
        let item = format!("fn f(id: u8) -> {returned} {{ later(id) }}");
        let item = item.parse().expect("a function");
        let function: ItemFn = syn::parse2(crate::expand_or_error(quote::quote!("key:{id}"), item))
            .expect("a function");
        let statements = &function.block.stmts[..];
        assert!(
            matches!(
                statements,
                [Stmt::Expr(_, None)] | [Stmt::Item(Item::Const(_)), Stmt::Expr(_, None)]
            ),
            "{returned}"
        );
    }
}

fn snapshots() -> impl Iterator<Item = PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    let entries = fs::read_dir(directory).expect("the snapshots are there");
    entries.map(|entry| entry.expect("the directory can be read").path())
}

fn expansion(input: &str) -> String {
    let (ours, item) = split.parse_str(input).expect("an attribute and an item");
    let tokens = if ours.path.is_ident("distributed_locks") {
        crate::defaults::expand(&ours.tokens, item)
    } else {
        crate::expand_or_error(ours.tokens, item)
    };
    let file = syn::parse2(tokens).expect("the expansion is a file");
    prettyplease::unparse(&file)
}

fn split(input: ParseStream<'_>) -> syn::Result<(MetaList, TokenStream)> {
    let mut attrs = input.call(Attribute::parse_outer)?;
    let Meta::List(ours) = attrs.remove(0).meta else {
        return Err(input.error("the first attribute has arguments"));
    };
    let item: TokenStream = input.parse()?;
    Ok((ours, quote::quote!(#(#attrs)* #item)))
}
