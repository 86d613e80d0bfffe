//! The attribute macros of `distlock`. Use them through that crate, which re-exports them: the
//! expansion calls the runtime of the same version.
//!
//! Data flows in one direction: `function`, `args` and `output` parse the input into plain structs
//! and refuse what cannot work, with the texts of `errors`; then `expand` and `body` print. The
//! body of the function is never parsed. `defaults` adds the options of `#[distributed_locks(…)]`
//! to the arguments of each function before that.

#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use syn::parse::Parser as _;

use crate::defaults::Defaults;

mod args;
mod body;
mod defaults;
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

/// Sets options for each `#[distributed_lock(…)]` inside an `impl`, a `trait` or a `mod`. Use it as
/// `distlock::distributed_locks`.
#[proc_macro_attribute]
pub fn distributed_locks(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    defaults::expand(&args.into(), item.into()).into()
}

fn expand_or_error(args: TokenStream, item: TokenStream) -> TokenStream {
    let (own, defaults) = Defaults::take(args.clone());
    if defaults.are_refused {
        return errors::without_attribute(own, item);
    }
    try_expand(args, item.clone()).unwrap_or_else(|error| errors::with_item(&error, own, item))
}

fn try_expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let (args, defaults) = Defaults::take(args);
    let function = function::Function::parse(item)?;
    let mut args = args::Args::parse.parse2(args)?;
    let defaults = defaults.parse(&args.options, &function.signature)?;
    args.take_defaults(defaults)?;
    args.check_names(&function.argument_names())?;
    let output = output::Output::of(&function.signature)?;
    output.check(&args.options)?;
    output.check_borrows(&function, &args)?;
    Ok(expand::expand(&function, &args, &output))
}
