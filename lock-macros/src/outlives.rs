use proc_macro2::{Ident, TokenStream};
use syn::{FnArg, Pat, ReceiverKind, Signature, Type};

use crate::args::Args;
use crate::function::Function;
use crate::future;
use crate::output::{Output, Style};
use crate::text::find;

/// Refuses a function whose future may not borrow while its key or body uses a borrowed argument: both run when the future
/// is polled. The compiler would propose a `'_` in the return type, which a trait such as `Service` does not allow.
pub(crate) fn check(function: &Function, args: &Args, output: &Output) -> syn::Result<()> {
    let is_static = match &output.style {
        Style::Boxed(declared) => future::is_static(declared),
        Style::Opaque { is_static, .. } => *is_static,
        Style::Sync | Style::Async => false,
    };
    if !is_static {
        return Ok(());
    }
    for name in borrowed(&function.signature) {
        let used = find_name(args.keys.tokens(), &name)
            .or_else(|| args.keys.names(&name).then(|| name.clone()))
            .or_else(|| find_in_body(function, &name));
        if let Some(used) = used {
            return Err(outlived(&name, &used));
        }
    }
    Ok(())
}

// A lifetime that is written down may be `'static`.
fn borrowed(signature: &Signature) -> Vec<Ident> {
    let names = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(_, None, _))
            .then(|| Ident::from(receiver.self_token)),
        FnArg::Typed(argument) => match (&*argument.pat, &*argument.ty) {
            (Pat::Ident(name), Type::Reference(ty)) if ty.lifetime.is_none() => {
                Some(name.ident.clone())
            }
            _ => None,
        },
    });
    names.collect()
}

// The `self` of an item inside the body is another one, and a name may be.
fn find_in_body(function: &Function, name: &Ident) -> Option<Ident> {
    let body = function.body.stream();
    let item = |word: &Ident| word == "fn" || word == "impl" || word == "trait";
    if find(body.clone(), &item).is_some() { None } else { find_name(body, name) }
}

fn find_name(tokens: TokenStream, name: &Ident) -> Option<Ident> {
    find(tokens, &|word| word == name)
}

fn outlived(name: &Ident, word: &Ident) -> syn::Error {
    let message = format!(
        "this future may outlive `{name}`, and under the lock the body runs when the future is polled: put the attribute on \
         an `async fn` that is called here with a copy of what it needs, or end the return type with `+ '_`"
    );
    syn::Error::new(word.span(), message)
}
