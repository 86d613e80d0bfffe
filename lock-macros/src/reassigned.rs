//! Arguments that are references and may be assigned to.
//!
//! A closure that borrows `mut s: &mut [u8]` cannot assign to it what it borrows from it, and no closure or async block can
//! assign a borrow of its own locals to what it captured. So the body gets a variable of its own for each of them. A
//! reference drops nothing, so the order of drops stays as it was.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, FnArg, GenericArgument, Pat, PatIdent, PathArguments, PathSegment, Receiver,
    ReceiverKind, Signature, Type,
};

use crate::text::find;

pub(crate) struct Reassigned<'a> {
    private: &'a TokenStream,
    receiver: Option<&'a Receiver>,
    names: Vec<Name<'a>>,
}

struct Name<'a> {
    attrs: &'a [Attribute],
    binding: &'a PatIdent,
}

impl<'a> Reassigned<'a> {
    /// Those of the signature that `kept`, which runs after the body, does not mention.
    pub(crate) fn of(
        signature: &'a Signature,
        private: &'a TokenStream,
        kept: &TokenStream,
    ) -> Self {
        let mut reassigned = Self { private, receiver: None, names: Vec::new() };
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    let is_reference = receiver.mutability.is_some()
                        && matches!(&receiver.kind, ReceiverKind::Typed(_, ty) if is_reference(ty));
                    reassigned.receiver = is_reference.then_some(receiver);
                }
                FnArg::Typed(argument) => {
                    reassigned.add(&argument.attrs, &argument.pat, &argument.ty);
                }
            }
        }
        let is_kept = |name: &Ident| find(kept.clone(), &|word| word == name).is_some();
        reassigned.names.retain(|name| !is_kept(&name.binding.ident));
        reassigned.receiver.take_if(|receiver| is_kept(&Ident::from(receiver.self_token)));
        reassigned
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.receiver.is_none() && self.names.is_empty()
    }

    fn add(&mut self, attrs: &'a [Attribute], pat: &'a Pat, ty: &'a Type) {
        match (pat, ty) {
            (_, Type::Group(group)) => self.add(attrs, pat, &group.elem),
            (_, Type::Paren(paren)) => self.add(attrs, pat, &paren.elem),
            (Pat::Paren(paren), _) => self.add(attrs, &paren.pat, ty),
            (Pat::Tuple(pats), Type::Tuple(types)) if pats.elems.len() == types.elems.len() => {
                for (pat, ty) in pats.elems.iter().zip(&types.elems) {
                    self.add(attrs, pat, ty);
                }
            }
            (Pat::Ident(binding), _)
                if binding.mutability.is_some()
                    && binding.by_ref.is_none()
                    && binding.subpat.is_none()
                    && is_reference(ty) =>
            {
                self.names.push(Name { attrs, binding });
            }
            _ => {}
        }
    }
}

impl ToTokens for Reassigned<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let here = Span::mixed_site();
        if let Some(receiver) = self.receiver {
            // There is no other variable of this name; but a closure takes with it what it hands on somewhere.
            let (private, this) = (self.private, &receiver.self_token);
            tokens.extend(quote_spanned!(here=> if false { return #private::never_with(#this); }));
        }
        self.names.iter().for_each(|name| name.to_tokens(tokens));
    }
}

impl ToTokens for Name<'_> {
    // The argument's own `mut` is used here, so that the lint about a superfluous one speaks of the body's variable.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let here = Span::mixed_site();
        let PatIdent { mutability, ident, .. } = self.binding;
        let cfg = self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        tokens.extend(quote_spanned!(here=>
            #(#cfg)*
            let #mutability #ident = {
                let _ = &mut #ident;
                #ident
            };
        ));
    }
}

// References, and what is made of them alone.
fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => true,
        Type::Group(group) => is_reference(&group.elem),
        Type::Paren(paren) => is_reference(&paren.elem),
        Type::Array(array) => is_reference(&array.elem),
        Type::Tuple(tuple) => !tuple.elems.is_empty() && tuple.elems.iter().all(is_reference),
        Type::Path(path) => path.path.segments.last().is_some_and(wraps_a_reference),
        _ => false,
    }
}

fn wraps_a_reference(last: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return false;
    };
    let mut types = arguments.args.iter();
    (last.ident == "Option" || last.ident == "Pin")
        && matches!((types.next(), types.next()), (Some(GenericArgument::Type(ty)), None) if is_reference(ty))
}
