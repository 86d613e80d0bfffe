use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Signature, Type, parse_quote_spanned};

use crate::future;
use crate::lifetimes::Free;
use crate::on_error::OnError;
use crate::options::Options;

/// What a function yields, read off its signature.
pub(crate) struct Output {
    pub(crate) style: Style,
    pub(crate) value: Value,
}

/// How the value reaches the caller.
pub(crate) enum Style {
    Sync,
    Async,
    /// A plain function whose declared type is a boxed future; the type is what its body makes.
    Boxed(Box<Type>),
    /// A plain function that returns `impl Future`.
    Opaque {
        unpin: bool,
        /// Whether it may borrow nothing.
        is_static: bool,
    },
}

/// The type that the body yields in the end.
pub(crate) enum Value {
    /// No return type is written; the span is where to say so.
    Nothing(Span),
    Never(Type),
    /// The whole type is an `impl Trait` that has no name.
    Unnamed(Span),
    /// A type that can be named, any nested `impl Trait` in it erased to `_`.
    Named(Type),
}

impl Output {
    pub(crate) fn of(signature: &Signature) -> syn::Result<Self> {
        let ReturnType::Type(_, declared) = &signature.output else {
            return Ok(Self::direct(signature, Value::Nothing(signature.ident.span())));
        };
        let declared = &Free::of(signature).left_out(declared);
        if signature.asyncness.is_some() {
            return Ok(Self::direct(signature, Value::in_signature(signature, declared)));
        }
        let Some(found) = future::Found::in_type(declared)? else {
            return Ok(Self::direct(signature, Value::in_signature(signature, declared)));
        };
        let value = Value::in_signature(signature, &found.output);
        Ok(Self { style: found.style, value })
    }

    /// Refuses what has no room for a failure to lock, where the compiler's own words would not say so.
    pub(crate) fn check(&self, options: &Options) -> syn::Result<()> {
        if options.skip_if_busy
            && let Value::Never(never) = &self.value
        {
            let message =
                "a function that never returns cannot be skipped: remove `if_busy = skip`";
            return Err(syn::Error::new_spanned(never, message));
        }
        match (&options.on_error, &self.value) {
            (OnError::Return, Value::Never(never)) => Err(no_room(never.span(), "`!`")),
            (OnError::Return, Value::Unnamed(span)) => Err(no_room(*span, "`impl Trait`")),
            _ => Ok(()),
        }
    }

    const fn direct(signature: &Signature, value: Value) -> Self {
        let style = if signature.asyncness.is_some() { Style::Async } else { Style::Sync };
        Self { style, value }
    }
}

impl Value {
    // Where another macro wrote the `()`, an error there would point at that macro.
    fn in_signature(signature: &Signature, declared: &Type) -> Self {
        if is_unit_of_a_macro(declared) {
            return Self::Nothing(signature.ident.span());
        }
        Self::of(declared)
    }

    fn of(declared: &Type) -> Self {
        match declared {
            Type::Never(_) => Self::Never(declared.clone()),
            Type::ImplTrait(unnamed) => Self::Unnamed(unnamed.span()),
            Type::Group(group) => Self::of(&group.elem),
            Type::Paren(paren) => Self::of(&paren.elem),
            _ => Self::Named(erased(declared)),
        }
    }

    /// The type, where it can be written down on stable.
    pub(crate) fn name(&self) -> Option<TokenStream> {
        match self {
            Self::Nothing(span) => Some(quote_spanned!(Span::mixed_site().located_at(*span)=> ())),
            Self::Named(named) => Some(named.to_token_stream()),
            Self::Never(_) | Self::Unnamed(_) => None,
        }
    }

    /// The type between the angle brackets of a call.
    pub(crate) fn argument(&self) -> TokenStream {
        match self {
            Self::Nothing(span) => quote_spanned!(*span=> ()),
            Self::Never(named) | Self::Named(named) => named.to_token_stream(),
            Self::Unnamed(span) => quote_spanned!(*span=> _),
        }
    }

    pub(crate) fn is_unit(&self) -> bool {
        match self {
            Self::Nothing(_) => true,
            Self::Named(Type::Tuple(tuple)) => tuple.elems.is_empty(),
            _ => false,
        }
    }

    /// The return type of a closure that yields the value.
    pub(crate) fn annotation(&self) -> TokenStream {
        let here = Span::mixed_site();
        match self {
            Self::Nothing(span) => quote_spanned!(here.located_at(*span)=> -> ()),
            Self::Never(named) | Self::Named(named) => quote_spanned!(here=> -> #named),
            Self::Unnamed(_) => TokenStream::new(),
        }
    }
}

// Such tokens have the span of the macro's call, not of parentheses.
fn is_unit_of_a_macro(declared: &Type) -> bool {
    let Type::Tuple(tuple) = declared else {
        return false;
    };
    let text = tuple.paren_token.span.join().source_text();
    tuple.elems.is_empty() && text.is_some_and(|text| !text.starts_with('('))
}

fn no_room(span: Span, what: &str) -> syn::Error {
    let message = format!(
        "{what} has no room for a failure to lock: add `on_error = panic` or `on_error = |err| expr`, \
         or return a `Result`"
    );
    syn::Error::new(span, message)
}

// `impl Trait` may stand in a signature but not in a body; there the compiler finds the type by itself.
fn erased(declared: &Type) -> Type {
    struct Eraser;
    impl VisitMut for Eraser {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(_) = ty {
                *ty = parse_quote_spanned!(ty.span()=> _);
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut ty = declared.clone();
    Eraser.visit_type_mut(&mut ty);
    ty
}
