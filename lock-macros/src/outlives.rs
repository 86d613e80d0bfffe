use proc_macro2::{Ident, TokenStream};
use syn::{FnArg, ReceiverKind, Signature};

use crate::args::Args;
use crate::function::Function;
use crate::future;
use crate::output::{Output, Style};
use crate::text::find;

/// Refuses a method whose future may not borrow while its key or body uses a borrowed `self`: both run when the future
/// is polled. The compiler would propose a `'_` in the return type, which a trait such as `Service` does not allow.
pub(crate) fn check(function: &Function, args: &Args, output: &Output) -> syn::Result<()> {
    let Style::Boxed(declared) = &output.style else {
        return Ok(());
    };
    if !borrows_self(&function.signature) || !future::is_static(declared) {
        return Ok(());
    }
    let body = function.body.stream();
    let used = find_self(args.keys.tokens()).or_else(|| find_self_of_method(body));
    used.map_or(Ok(()), |word| Err(outlived(&word)))
}

// A lifetime that is written down may be `'static`.
fn borrows_self(signature: &Signature) -> bool {
    let Some(FnArg::Receiver(receiver)) = signature.inputs.first() else {
        return false;
    };
    matches!(receiver.kind, ReceiverKind::Reference(_, None, _))
}

// The `self` of an item inside the body is another one.
fn find_self_of_method(body: TokenStream) -> Option<Ident> {
    let item = |word: &Ident| word == "fn" || word == "impl" || word == "trait";
    if find(body.clone(), &item).is_some() { None } else { find_self(body) }
}

fn find_self(tokens: TokenStream) -> Option<Ident> {
    find(tokens, &|word| word == "self")
}

fn outlived(word: &Ident) -> syn::Error {
    let message = "this future may outlive `self`, and under the lock the body runs when the future is polled: put the \
                   attribute on an `async fn` that is called here with a copy of what it needs, or end the return type \
                   with `+ '_`";
    syn::Error::new(word.span(), message)
}
