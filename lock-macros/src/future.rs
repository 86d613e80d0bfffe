use syn::punctuated::Punctuated;
use syn::{
    AngleBracketedGenericArguments as Arguments, GenericArgument, PathArguments, PathSegment,
    Token, Type, TypeParamBound, TypePath, parse_quote,
};

use crate::output::Style;

type Bounds = Punctuated<TypeParamBound, Token![+]>;

/// A return type that is a future: how it is handed over, and what it yields.
pub(crate) struct Found {
    pub(crate) style: Style,
    pub(crate) output: Type,
}

impl Found {
    pub(crate) fn in_type(declared: &Type) -> syn::Result<Option<Self>> {
        match declared {
            Type::Group(group) => Self::in_type(&group.elem),
            Type::Paren(paren) => Self::in_type(&paren.elem),
            Type::ImplTrait(unnamed) => Ok(Self::in_bounds(&unnamed.bounds)),
            Type::Path(path) if is_associated(path) => Err(hidden(declared)),
            Type::Path(path) => {
                path.path.segments.last().map_or(Ok(None), |last| Self::in_path(declared, last))
            }
            _ => Ok(None),
        }
    }

    fn in_bounds(bounds: &Bounds) -> Option<Self> {
        let output = future_output(bounds)?;
        let unpin = segments(bounds).any(|segment| segment.ident == "Unpin");
        let is_static = bounds.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static"));
        Some(Self { style: Style::Opaque { unpin, is_static }, output })
    }

    fn in_path(declared: &Type, last: &PathSegment) -> syn::Result<Option<Self>> {
        let boxed = |output| Self { style: Style::Boxed(Box::new(declared.clone())), output };
        match last.ident.to_string().as_str() {
            "BoxFuture" | "LocalBoxFuture" => {
                Ok(Some(boxed(last_type(last).cloned().unwrap_or_else(inferred))))
            }
            "Pin" => Ok(last_type(last).and_then(pointee).and_then(|inner| {
                dyn_future(inner).map(boxed).or_else(|| Self::in_opaque_pointee(inner))
            })),
            "Box" if last_type(last).is_some_and(is_future) => Err(unpinned(declared)),
            _ => Ok(None),
        }
    }

    // `Pin<Box<impl Future>>` has no name to print, but a box that can be moved is all it asks for.
    fn in_opaque_pointee(pointee: &Type) -> Option<Self> {
        let output = impl_future(pointee)?;
        Some(Self { style: Style::Opaque { unpin: true, is_static: false }, output })
    }
}

/// Whether a boxed future that was found may borrow nothing.
pub(crate) fn is_static(declared: &Type) -> bool {
    match declared {
        Type::Group(group) => is_static(&group.elem),
        Type::Paren(paren) => is_static(&paren.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(is_static_segment),
        Type::TraitObject(object) => object.bounds.iter().all(|bound| match bound {
            TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
            _ => true,
        }),
        _ => false,
    }
}

// `Pin<Box<dyn Future>>` says so by saying nothing, `BoxFuture<'static, T>` in so many words.
fn is_static_segment(last: &PathSegment) -> bool {
    match last.ident.to_string().as_str() {
        "Pin" | "Box" => last_type(last).is_some_and(is_static),
        _ => arguments(last).is_some_and(|arguments| {
            matches!(arguments.args.first(), Some(GenericArgument::Lifetime(lifetime)) if lifetime.ident == "static")
        }),
    }
}

// `Self::Future`, `S::Future`, `<S as Service<R>>::Future`: by convention a future, of which nothing can be read here.
fn is_associated(path: &TypePath) -> bool {
    let segments = &path.path.segments;
    let future =
        segments.last().is_some_and(|last| last.ident == "Future" || last.ident == "IntoFuture");
    let of_type = || segments.len() == 2 && is_camel_case(&segments[0].ident.to_string());
    future && (path.qself.is_some() || of_type())
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

fn hidden(declared: &Type) -> syn::Error {
    let message = "this name hides a future from the attribute, and the lock would be released before the future has \
                   run: write the type itself, `Pin<Box<dyn Future<Output = T> + Send>>`, or put the attribute on an \
                   `async fn` that is called here";
    syn::Error::new_spanned(declared, message)
}

// A future in a plain `Box` would leave the function before its work is done, and the lock with it.
fn unpinned(declared: &Type) -> syn::Error {
    let message = "a locked function cannot return a future in a plain `Box`: \
                   write `Pin<Box<dyn Future<Output = T>>>`, `impl Future<Output = T>` or an `async fn`";
    syn::Error::new_spanned(declared, message)
}

fn pointee(pointer: &Type) -> Option<&Type> {
    let Type::Path(path) = pointer else {
        return None;
    };
    last_type(path.path.segments.last().filter(|last| last.ident == "Box")?)
}

fn is_future(ty: &Type) -> bool {
    dyn_future(ty).or_else(|| impl_future(ty)).is_some()
}

fn dyn_future(object: &Type) -> Option<Type> {
    match object {
        Type::TraitObject(object) => future_output(&object.bounds),
        Type::Path(path) => bare_future(path.path.segments.last()?),
        Type::Paren(paren) => dyn_future(&paren.elem),
        Type::Group(group) => dyn_future(&group.elem),
        _ => None,
    }
}

fn impl_future(ty: &Type) -> Option<Type> {
    match ty {
        Type::ImplTrait(unnamed) => future_output(&unnamed.bounds),
        Type::Paren(paren) => impl_future(&paren.elem),
        Type::Group(group) => impl_future(&group.elem),
        _ => None,
    }
}

// `Box<Future<Output = T>>`, which editions before 2021 allow: only a trait has its `Output` named.
fn bare_future(last: &PathSegment) -> Option<Type> {
    if last.ident != "Future" {
        return None;
    }
    arguments(last).and_then(named_output).cloned()
}

fn future_output(bounds: &Bounds) -> Option<Type> {
    let future = segments(bounds).find(|segment| segment.ident == "Future")?;
    Some(arguments(future).and_then(named_output).cloned().unwrap_or_else(inferred))
}

fn segments(bounds: &Bounds) -> impl Iterator<Item = &PathSegment> {
    bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    })
}

fn named_output(arguments: &Arguments) -> Option<&Type> {
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
        _ => None,
    })
}

fn last_type(segment: &PathSegment) -> Option<&Type> {
    let args = &arguments(segment)?.args;
    args.iter().rev().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

const fn arguments(segment: &PathSegment) -> Option<&Arguments> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments),
        _ => None,
    }
}

fn inferred() -> Type {
    parse_quote!(_)
}
