//! The attribute macro of `distlock`. Use it through that crate, which re-exports it:
//! the code it writes calls `distlock`'s own machinery.
//!
//! One direction: the arguments and the function are parsed into plain structs, what
//! cannot work is refused, and the rest is printed. The body of the function is never parsed.

#![forbid(unsafe_code)]

use proc_macro2::TokenStream;

mod args;
mod call;
mod closure;
mod duration;
mod expand;
mod function;
mod future;
mod key;
mod lifetimes;
mod on_error;
mod options;
mod other_item;
mod outlives;
mod output;
mod refuse;
mod settings;
mod synonyms;
mod text;
mod unquoted;
mod value;
mod words;

#[cfg(test)]
mod long_test;
#[cfg(test)]
mod tests;

/// Runs the function's body under a distributed lock.
///
/// ```text
/// #[distributed_lock("account:{from}", wait = "5s", hold = hold)]
/// async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
///     storage.write(from, amount, hold.fence()).await
/// }
/// ```
///
/// # The key
///
/// First comes the key: one string literal with, optionally, the arguments of [`format!`] after it, positional or
/// named: `"account:{from}"`, `"shop:{}", self.shop`, `"shop:{n}", n = self.shop`. It is rendered once, before the
/// body runs, and takes nothing away from the body. A name from the list of options below is always an option,
/// never a named argument of the key.
///
/// # Options
///
/// They follow the key, in any order, each at most once. A duration is a string that is checked at compile time
/// (`"30s"`, `"250ms"`, `"2m"`, `"1h"`, `"1m 30s"`) or any expression of type [`Duration`](std::time::Duration).
///
/// | option | meaning |
/// | --- | --- |
/// | `ttl = "30s"` | how long the lock outlives a holder that has vanished; renewed while the body runs |
/// | `wait = "5s"` | how long to wait for the lock, connecting included; `"0s"` tries once |
/// | `max_hold = "5m"` | the longest the body may hold the lock; after that it is lost |
/// | `renew = false` | do not renew: the hold ends with its `ttl` |
/// | `release = confirmed` | wait until the server has confirmed the release; otherwise it is sent and not waited for |
/// | `if_busy = skip` | a held lock is no error: the body is skipped and the function returns its "nothing done" value (`()`, `None`, `Ok(())`, `Ok(None)`); tries once unless `wait` is given |
/// | `on_error = panic` | a failure to lock panics |
/// | `on_error = \|err\| expr` | a failure to lock yields the value of the closure, or of the function a path names |
/// | `on_lost = finish` | an async body runs on to its end when its hold is lost; otherwise it is dropped at its next `.await` |
/// | `hold = name` | binds the current `Hold` (fence, key, validity) to `name` in the body |
/// | `manager = expr` | the `LockManager` to use in place of the global one; it is borrowed |
/// | `crate = path` | where `distlock` is found when it is renamed or re-exported |
///
/// Without `crate = path` a crate that has `distlock` under another name, or through another crate, is told that the
/// compiler "could not find `distlock` in the list of imported crates".
///
/// # Failure
///
/// The body never runs without the lock. A function returns `Result<T, E>` with `E: From<LockError>`; any other
/// return type needs `on_error`, and without it does not compile.
///
/// # Functions
///
/// Functions and methods, sync and async, with any receiver and any generics, `unsafe` and `extern` ones too.
/// A function that returns `impl Future`, `Pin<Box<dyn Future>>`, `BoxFuture` or `LocalBoxFuture`, and so every
/// method under `#[async_trait]`, counts as async: its whole body runs, with the lock held, when the future is
/// polled, not when it is created. A future hidden behind another name (a type alias, a struct) is not recognised;
/// there the lock covers the making of the future only. `Self::Future` is refused for that reason: write its type out.
///
/// Since the body runs late, such a future holds on to every argument that body or key mention: a body that copies
/// what it needs from `&self` into a `'static` future is refused and has to be split in two, the lock on the inner
/// function.
///
/// In an async function the body takes its arguments with it; an `on_error` closure sees copies, and what the body does
/// not mention. Arguments that the body mentions are dropped before those it does not.
///
/// Refused, with the way out in the message: `const fn`, a function without a body, anything that is not a
/// function, `#[track_caller]`, because the wrapped body would see the wrong caller, and `Fn(u8)` without `dyn` for a trait
/// object, which editions before 2021 still allow.
///
/// With two of these attributes on one function the one nearest the function is taken first.
///
/// # Expansion
///
/// ```text
/// async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
///     let distlock_site = {
///         static SITE: Site = Site::new(/* function, key, file, line */).wait(Duration::from_millis(5000));
///         &SITE
///     };
///     let distlock_call = call::<Result<(), BankError>>(distlock_site, format_args!("account:{from}"));
///     distlock_call.run_async_with_hold(async move |hold| { /* the body as it was written */ }).await
/// }
/// ```
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
    let output = output::Output::of(&function.signature)?;
    output.check(&args.options)?;
    outlives::check(&function, &args, &output)?;
    Ok(expand::expand(&function, &args, &output))
}
