//! The attribute macro of `distlock`. Use it through that crate, which re-exports it: the expansion
//! calls the runtime of the same version.
//!
//! Data flows in one direction: `function`, `args` and `output` parse the input into plain structs
//! and refuse what cannot work, with the texts of `errors`; then `expand` and `body` print. The
//! body of the function is never parsed.

#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use syn::parse::Parser as _;

mod args;
mod body;
mod errors;
mod expand;
mod function;
mod key;
mod options;
mod output;
mod suggestions;

#[cfg(test)]
mod tests;

/// Runs a function under a distributed lock. Use it as `distlock::distributed_lock`, whose page
/// describes all options: the expansion calls the runtime of that crate.
#[proc_macro_attribute]
pub fn distributed_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_or_error(args.into(), item.into()).into()
}

fn expand_or_error(args: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(args.clone(), item.clone())
        .unwrap_or_else(|error| errors::with_item(&error, args, item))
}

fn try_expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function = function::Function::parse(item)?;
    let args = args::Args::parse.parse2(args)?;
    args.check_names(&function.argument_names())?;
    let output = output::Output::of(&function.signature)?;
    output.check(&args.options)?;
    output.check_borrows(&function, &args)?;
    Ok(expand::expand(&function, &args, &output))
}
