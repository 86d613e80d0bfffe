//! The attribute macro of `distlock`. Use it through that crate, which re-exports it:
//! the code it writes calls `distlock`'s own machinery.
//!
//! One direction: the arguments and the function are parsed into plain structs, what
//! cannot work is refused, and the rest is printed. The body of the function is never parsed.

#![forbid(unsafe_code)]

use proc_macro2::TokenStream;

mod args;
mod bound;
mod call;
mod closure;
mod duration;
mod expand;
mod finished;
mod function;
mod future;
mod key;
mod keys;
mod lifetimes;
mod list;
mod on_error;
mod options;
mod other_item;
mod outlives;
mod output;
mod reassigned;
mod refuse;
mod separator;
mod settings;
mod synonyms;
mod template;
mod text;
mod unquoted;
mod value;
mod words;

#[cfg(test)]
mod long_test;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

/// The macro itself is in `lock-macros` and is used through `distlock`, which re-exports it: the code it writes calls that
/// crate's own machinery. The attribute's page, with all options, is at `distlock::distributed_lock`.
#[proc_macro_attribute]
pub fn distributed_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    rewrite(args.into(), item.into()).into()
}

fn rewrite(args: TokenStream, item: TokenStream) -> TokenStream {
    locked(args.clone(), item.clone()).unwrap_or_else(|error| refuse::with_item(&error, args, item))
}

fn locked(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function = function::Function::parse(item)?;
    let args = args::Args::parse(args)?;
    args.check_names(&function.argument_names())?;
    let output = output::Output::of(&function.signature)?;
    output.check(&args.options)?;
    outlives::check(&function, &args, &output)?;
    Ok(expand::expand(&function, &args, &output))
}
