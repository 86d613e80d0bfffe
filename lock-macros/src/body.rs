//! What runs under the lock: the user's body in a closure, or in an async block.
//!
//! Both begin with a token of the user's code, at the function's name: clippy ignores what a macro
//! wrote, and with it would ignore the end of the body (`needless_return`); and what the compiler
//! says about them it says about the function. The head of a closure ends with a token of ours, so
//! that no lint asks the user to write it otherwise (`closure_returning_async_block`).

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, FnArg, GenericArgument, Pat, PatIdent, PathSegment, Receiver, ReceiverKind,
    Signature, Type,
};

use crate::expand::Expansion;
use crate::function::braces_at;
use crate::options::OnError;
use crate::output::{ReturnValue, find_ident, generic_arguments, ungrouped};

impl Expansion<'_> {
    // `|hold| -> R { body }`
    pub(crate) fn closure(
        &self,
        hold: Option<&TokenTree>,
        return_type: Option<&TokenStream>,
    ) -> TokenStream {
        let (function, here) = (self.function, Span::mixed_site());
        let (args, body) = (self.reassignable_args(), &function.body);
        let name = function.signature.ident.span();
        let ours = here.located_at(name);
        let opening = if may_reborrow(&function.signature) { ours } else { name };
        let opening = quote_spanned!(opening=> |);
        let body = if args.is_empty() {
            body.clone()
        } else {
            braces_at(body.span(), quote_spanned!(here=> #args (#body)))
        };
        quote_spanned!(ours=> #opening #hold | #return_type #body)
    }

    // `async move { body }`
    //
    // `move` keeps the future `Send` for arguments that are `Send` but not `Sync`.
    pub(crate) fn async_block(&self) -> TokenStream {
        let (typed, args, body) = (self.typed(), self.reassignable_args(), &self.function.body);
        let inside = quote_spanned!(Span::mixed_site()=> #typed #args (#body));
        let block = braces_at(body.span(), inside);
        quote_spanned!(self.function.signature.ident.span()=> async move #block)
    }

    // An async block has no place for its type, and without one there are no coercions to `dyn`. A
    // `return` that never runs names it, outside the user's block, where a `use Enum::*` cannot
    // shadow its names. The user's block keeps its own braces; the parentheses around it keep them
    // from counting as superfluous.
    fn typed(&self) -> Option<TokenStream> {
        let name = match &self.output.value {
            ReturnValue::Never(_) | ReturnValue::Unnamed(_) => return None,
            value => value.to_token_stream(),
        };
        let here = Span::mixed_site().located_at(name.span());
        let private = located_at(here, &self.private);
        Some(quote_spanned!(here=>
            if false {
                return #private::never::<#name>();
            }
        ))
    }

    // `-> R` of a closure.
    pub(crate) fn return_type(&self) -> Option<TokenStream> {
        let here = Span::mixed_site();
        match &self.output.value {
            ReturnValue::Unnamed(_) => None,
            ReturnValue::Nothing(span) => Some(quote_spanned!(here.located_at(*span)=> -> ())),
            value => Some(quote_spanned!(here=> -> #value)),
        }
    }

    // Asks the compiler whether the name of a return type hides a future, which would leave the
    // function before it has run.
    //
    // Only where no bound on the type says so already, as that of a `Result` or of a skipped call.
    pub(crate) fn future_check(&self) -> Option<TokenStream> {
        let ReturnValue::Named(ty) = &self.output.value else { return None };
        let is_bound = self.options.skip() || matches!(self.options.on_error, OnError::Return);
        // The compiler does not know the type of a nested `impl Trait` yet where it is asked.
        let output = self.function.signature.output.to_token_stream();
        if is_bound || find_ident(output, "impl").is_some() {
            return None;
        }
        let (private, here) = (&self.private, Span::mixed_site());
        // At the user's name, so that the compiler points at the type alone.
        let is_not_a_future = Ident::new("distlock_is_not_a_future", future_alias(ty)?);
        Some(quote_spanned!(here=> #private::return_probe::<#ty>().#is_not_a_future();))
    }

    // Variables of the body's own for arguments that are references and may be assigned to.
    //
    // A closure that borrows `mut s: &mut [u8]` cannot assign to it what it borrows from it, and no
    // closure or async block can assign a borrow of its own locals to what it captured. A reference
    // drops nothing, so the order of drops stays as it was. What the handler of errors uses, which
    // runs after the body, stays in the function.
    fn reassignable_args(&self) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let handlers: TokenStream = [self.options.busy_handler(), self.options.error_handler()]
            .into_iter()
            .map(ToTokens::into_token_stream)
            .collect();
        let is_used = |name: &Ident| find_ident(handlers.clone(), &name.to_string()).is_some();
        let (mut tokens, mut bindings) = (TokenStream::new(), Vec::new());
        for input in &self.function.signature.inputs {
            match input {
                FnArg::Typed(arg) => add_reassignable(&mut bindings, &arg.attrs, &arg.pat, &arg.ty),
                FnArg::Receiver(Receiver { mutability: Some(_), self_token, kind, .. })
                    if matches!(kind, ReceiverKind::Typed(_, ty) if is_reference(ty))
                        && !is_used(&Ident::from(*self_token)) =>
                {
                    // No other variable can have this name; but a closure takes with it what it
                    // moves.
                    tokens.extend(quote_spanned!(here=>
                        if false {
                            let _moved = #self_token;
                            return #private::never();
                        }
                    ));
                }
                FnArg::Receiver(_) => {}
            }
        }
        bindings.retain(|(_, binding)| !is_used(&binding.ident));
        // The argument's own `mut` is used here, so that the lint about a superfluous one refers to
        // the body's variable.
        for (attrs, PatIdent { mutability, ident, .. }) in bindings {
            let cfg = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
            tokens.extend(quote_spanned!(here=>
                #(#cfg)*
                let #mutability #ident = {
                    let _ = &mut #ident;
                    #ident
                };
            ));
        }
        tokens
    }
}

fn add_reassignable<'a>(
    bindings: &mut Vec<(&'a [Attribute], &'a PatIdent)>,
    attrs: &'a [Attribute],
    pat: &'a Pat,
    ty: &'a Type,
) {
    match (pat, ungrouped(ty)) {
        (Pat::Paren(paren), ty) => add_reassignable(bindings, attrs, &paren.pat, ty),
        (Pat::Tuple(pats), Type::Tuple(types)) if pats.elems.len() == types.elems.len() => {
            for (pat, ty) in pats.elems.iter().zip(&types.elems) {
                add_reassignable(bindings, attrs, pat, ty);
            }
        }
        (Pat::Ident(binding @ PatIdent { by_ref: None, subpat: None, .. }), ty)
            if binding.mutability.is_some() && is_reference(ty) =>
        {
            bindings.push((attrs, binding));
        }
        _ => {}
    }
}

// A closure captures by the rules of the edition of its first token. By those of 2018 it borrows a
// `&mut` argument as a whole, and cannot return a reborrow of it.
fn may_reborrow(signature: &Signature) -> bool {
    let inputs = signature.inputs.to_token_stream().to_string();
    let output = signature.output.to_token_stream().to_string();
    let marks = ["&", "'", "impl", "dyn", "!"];
    inputs.contains("mut ") && marks.iter().any(|mark| output.contains(mark))
}

// The compiler points there at the type that it expected. The name of the crate stays at the
// attribute: if that crate is missing, it is one error, not two.
fn located_at(here: Span, path: &TokenStream) -> TokenStream {
    let mut is_crate = true;
    let tokens = path.clone().into_iter().map(|mut tree| {
        let is_name = matches!(tree, TokenTree::Ident(_));
        if !(is_name && std::mem::take(&mut is_crate)) {
            tree.set_span(tree.span().located_at(here));
        }
        tree
    });
    tokens.collect()
}

// The location of a name that may be an alias of a future.
fn future_alias(ty: &Type) -> Option<Span> {
    // The most frequent types, which are none.
    const KNOWN: &str = "bool char f32 f64 i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize \
                         String Option Result Vec";
    match ty {
        Type::Macro(_) => Some(ty.span()),
        Type::Path(path) => {
            let last = &path.path.segments.last()?.ident;
            let is_known = KNOWN.split(' ').any(|known| last == known);
            (!is_known).then(|| last.span())
        }
        _ => None,
    }
}

// References, and what consists of them alone.
fn is_reference(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Reference(_) => true,
        Type::Array(array) => is_reference(&array.elem),
        Type::Tuple(tuple) => !tuple.elems.is_empty() && tuple.elems.iter().all(is_reference),
        Type::Path(path) => path.path.segments.last().is_some_and(wraps_reference),
        _ => false,
    }
}

fn wraps_reference(last: &PathSegment) -> bool {
    let mut types = generic_arguments(last);
    (last.ident == "Option" || last.ident == "Pin")
        && matches!((types.next(), types.next()),
            (Some(GenericArgument::Type(ty)), None) if is_reference(ty))
}
