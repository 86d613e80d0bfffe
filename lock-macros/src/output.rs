use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericArgument, Ident, Lifetime, ParenthesizedGenericArguments, Pat, PathArguments,
    PathSegment, ReceiverKind, Result, ReturnType, Signature, Token, Type, TypeFnPtr,
    TypeParamBound, TypePath, TypeReference, parse_quote, parse_quote_spanned,
};

use crate::args::Args;
use crate::errors;
use crate::function::Function;
use crate::key::KeyValue;
use crate::options::{OnError, Options};

/// What a function returns, according to its signature.
pub(crate) struct Output {
    pub(crate) kind: FnKind,
    pub(crate) value: ReturnValue,
}

/// How the value reaches the caller.
pub(crate) enum FnKind {
    Sync,
    Async,
    /// A plain function that returns a boxed future of this type.
    Boxed(Box<Type>),
    /// A plain function that returns `impl Future`.
    Opaque {
        unpin: bool,
        /// Whether the future may borrow nothing.
        is_static: bool,
    },
}

/// The type of the value that the body yields in the end.
pub(crate) enum ReturnValue {
    /// No return type is written; an error about it belongs here.
    Nothing(Span),
    Never(Type),
    /// The whole type is an `impl Trait`, which has no name.
    Unnamed(Span),
    /// A type that can be named, with `_` for each `impl Trait` inside.
    Named(Type),
}

impl Output {
    pub(crate) fn of(signature: &Signature) -> Result<Self> {
        let is_async = signature.asyncness.is_some();
        let kind = if is_async { FnKind::Async } else { FnKind::Sync };
        let ReturnType::Type(_, declared) = &signature.output else {
            return Ok(Self { kind, value: ReturnValue::Nothing(signature.ident.span()) });
        };
        let declared = without_unbound_lifetimes(declared, signature);
        let future = if is_async { None } else { future_return(&declared)? };
        let (kind, output) = future.unwrap_or((kind, declared));
        Ok(Self { kind, value: ReturnValue::of(signature, &output) })
    }

    /// Refuses a return type that cannot carry a lock error, where the compiler would not say so.
    pub(crate) fn check(&self, options: &Options) -> Result<()> {
        let returns_error = matches!(options.on_error, OnError::Return);
        match &self.value {
            ReturnValue::Never(never) if options.skip() => Err(errors::skipped_never(never)),
            ReturnValue::Never(never) if returns_error => {
                Err(errors::no_room_for_error(never.span(), "`!`"))
            }
            ReturnValue::Unnamed(span) if returns_error => {
                Err(errors::no_room_for_error(*span, "`impl Trait`"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a function whose future may not borrow, if its key or its body uses a borrowed
    /// argument: both run when the future is polled. The compiler would propose a `'_` in the
    /// return type, which a trait such as `Service` does not allow.
    pub(crate) fn check_borrows(&self, function: &Function, args: &Args) -> Result<()> {
        let is_static = match &self.kind {
            FnKind::Boxed(declared) => is_static_future(declared),
            FnKind::Opaque { is_static, .. } => *is_static,
            FnKind::Sync | FnKind::Async => false,
        };
        if !is_static {
            return Ok(());
        }
        for name in borrowed_arguments(&function.signature) {
            let word = name.to_string();
            let value = args.keys.value.iter().map(KeyValue::expr);
            let values = args.keys.args.iter().map(|arg| &arg.value).chain(value);
            let in_prefix = args.options.prefix.as_ref().is_some_and(|p| p.mentions(&name));
            let used = values
                .map(ToTokens::to_token_stream)
                .find_map(|value| find_ident(value, &word))
                .or_else(|| (in_prefix || args.keys.mentions(&name)).then(|| name.clone()))
                .or_else(|| find_in_body(function, &word));
            if let Some(used) = used {
                return Err(errors::future_outlives(&used, name));
            }
        }
        Ok(())
    }
}

// A lifetime that is written may be `'static`.
fn borrowed_arguments(signature: &Signature) -> Vec<Ident> {
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

// An item inside the body has a `self` of its own, and may have an argument of the same name.
fn find_in_body(function: &Function, name: &str) -> Option<Ident> {
    let find = |word| find_ident(function.body.stream(), word);
    let has_item = ["fn", "impl", "trait"].into_iter().any(|item| find(item).is_some());
    if has_item { None } else { find(name) }
}

/// The first identifier in the tokens that is `wanted`.
pub(crate) fn find_ident(tokens: TokenStream, wanted: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == wanted => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), wanted),
        _ => None,
    })
}

impl ReturnValue {
    fn of(signature: &Signature, declared: &Type) -> Self {
        // Where another macro wrote the `()`, an error there would point at that macro.
        if is_unit_of_macro(declared) {
            return Self::Nothing(signature.ident.span());
        }
        match ungrouped(declared) {
            never @ Type::Never(_) => Self::Never(never.clone()),
            Type::ImplTrait(unnamed) => Self::Unnamed(unnamed.span()),
            named => Self::Named(without_impl_trait(named)),
        }
    }

    pub(crate) fn is_unit(&self) -> bool {
        match self {
            Self::Nothing(_) => true,
            Self::Named(Type::Tuple(tuple)) => tuple.elems.is_empty(),
            _ => false,
        }
    }
}

// Prints the type, between angle brackets or after an arrow.
impl ToTokens for ReturnValue {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Nothing(span) => quote_spanned!(*span=> ()),
            Self::Never(ty) | Self::Named(ty) => ty.to_token_stream(),
            Self::Unnamed(span) => quote_spanned!(*span=> _),
        });
    }
}

// Such tokens have the span of the macro's call, not of parentheses.
fn is_unit_of_macro(declared: &Type) -> bool {
    let Type::Tuple(tuple) = declared else { return false };
    let text = tuple.paren_token.span.join().source_text();
    tuple.elems.is_empty() && text.is_some_and(|text| !text.starts_with('('))
}

// `impl Trait` may be written in a signature but not in a body, where the compiler infers the type.
fn without_impl_trait(declared: &Type) -> Type {
    struct Inferrer;
    impl VisitMut for Inferrer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(_) = ty {
                *ty = parse_quote_spanned!(ty.span()=> _);
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut ty = declared.clone();
    Inferrer.visit_type_mut(&mut ty);
    ty
}

/// The type without invisible delimiters and parentheses.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}

/// A return type that is a future: how it is returned, and the type that it yields.
type FutureReturn = (FnKind, Type);

fn future_return(declared: &Type) -> Result<Option<FutureReturn>> {
    let declared = ungrouped(declared);
    if let Type::ImplTrait(unnamed) = declared {
        return Ok(opaque_future(&unnamed.bounds));
    }
    let Type::Path(path) = declared else { return Ok(None) };
    if is_associated_future(path) {
        return Err(errors::hidden_future(declared));
    }
    let Some(last) = path.path.segments.last() else { return Ok(None) };
    match last.ident.to_string().as_str() {
        "BoxFuture" | "LocalBoxFuture" => {
            let output = last_type(last).cloned().unwrap_or_else(|| parse_quote!(_));
            Ok(Some((FnKind::Boxed(Box::new(declared.clone())), output)))
        }
        "Pin" => Ok(last_type(last).and_then(|pointer| future_in_box(pointer, declared))),
        // The future would leave the function before its work is done, and with it the lock.
        "Box" if future_in_box(declared, declared).is_some() => {
            Err(errors::unpinned_future(declared))
        }
        _ => Ok(None),
    }
}

fn opaque_future(bounds: &Bounds) -> Option<FutureReturn> {
    let output = future_output(bounds)?;
    let unpin = trait_segments(bounds).any(|segment| segment.ident == "Unpin");
    let is_static = bounds.iter().any(
        |bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static"),
    );
    Some((FnKind::Opaque { unpin, is_static }, output))
}

fn future_in_box(pointer: &Type, declared: &Type) -> Option<FutureReturn> {
    let Type::Path(path) = pointer else { return None };
    let pointer = path.path.segments.last().filter(|last| last.ident == "Box")?;
    let output = match ungrouped(last_type(pointer)?) {
        Type::TraitObject(object) => future_output(&object.bounds)?,
        // `Box<Future<Output = T>>`, which editions before 2021 allow: only in a trait object is
        // the `Output` named.
        Type::Path(path) => {
            named_output(path.path.segments.last().filter(|last| last.ident == "Future")?)?
        }
        // Without a name that could be printed, but any box that can be moved will do.
        Type::ImplTrait(unnamed) => {
            let kind = FnKind::Opaque { unpin: true, is_static: false };
            return Some((kind, future_output(&unnamed.bounds)?));
        }
        _ => return None,
    };
    Some((FnKind::Boxed(Box::new(declared.clone())), output))
}

type Bounds = Punctuated<TypeParamBound, Token![+]>;

// `Self::Future`, `S::Future`, `<S as Service<R>>::Future`: by convention a future whose type
// cannot be read here.
fn is_associated_future(path: &TypePath) -> bool {
    let segments = &path.path.segments;
    let is_future =
        segments.last().is_some_and(|last| last.ident == "Future" || last.ident == "IntoFuture");
    let is_of_type =
        || segments.len() == 2 && segments[0].ident.to_string().starts_with(char::is_uppercase);
    is_future && (path.qself.is_some() || is_of_type())
}

// Whether a boxed future may borrow nothing. `Pin<Box<dyn Future>>` says so by saying nothing,
// `BoxFuture<'static, T>` explicitly.
fn is_static_future(declared: &Type) -> bool {
    let is_static = |lifetime: &Lifetime| lifetime.ident == "static";
    match ungrouped(declared) {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            if last.ident == "Pin" || last.ident == "Box" {
                return last_type(last).is_some_and(is_static_future);
            }
            let first = generic_arguments(last).next();
            matches!(first, Some(GenericArgument::Lifetime(lifetime)) if is_static(lifetime))
        }),
        Type::TraitObject(object) => object.bounds.iter().all(|bound| match bound {
            TypeParamBound::Lifetime(lifetime) => is_static(lifetime),
            _ => true,
        }),
        _ => false,
    }
}

fn future_output(bounds: &Bounds) -> Option<Type> {
    let future = trait_segments(bounds).find(|segment| segment.ident == "Future")?;
    Some(named_output(future).unwrap_or_else(|| parse_quote!(_)))
}

fn trait_segments(bounds: &Bounds) -> impl Iterator<Item = &PathSegment> {
    bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    })
}

fn named_output(future: &PathSegment) -> Option<Type> {
    generic_arguments(future).find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
        _ => None,
    })
}

fn last_type(segment: &PathSegment) -> Option<&Type> {
    generic_arguments(segment).rev().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// What is between the angle brackets.
pub(crate) fn generic_arguments(
    segment: &PathSegment,
) -> impl DoubleEndedIterator<Item = &GenericArgument> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten()
}

// The return type without the lifetimes that no bound mentions.
//
// A lifetime that the body names counts as needed (`needless_lifetimes`), so the expansion writes
// `'_` in its place. A lifetime in a bound stays: `T: Load<'a> + Load<'b>` implies nothing about
// `Load<'_>`. All stay if elision is ambiguous: with the name, the compiler finds the expression
// that returns something else.
fn without_unbound_lifetimes(declared: &Type, signature: &Signature) -> Type {
    let mut ty = declared.clone();
    if !is_elision_ambiguous(signature) {
        let generics = &signature.generics;
        let mut bounds = generics.where_clause.to_token_stream();
        generics.type_params().for_each(|param| param.bounds.to_tokens(&mut bounds));
        generics.lifetimes().for_each(|param| param.bounds.to_tokens(&mut bounds));
        let bound = lifetime_names(bounds);
        let unbound = generics.lifetimes().filter(|param| param.bounds.is_empty());
        let unbound = unbound.map(|param| param.lifetime.ident.clone());
        let removed: Vec<Ident> = unbound.filter(|name| !bound.contains(name)).collect();
        LifetimeVisitor { removed: &removed, count: 0 }.visit_type_mut(&mut ty);
    }
    ty
}

// Without names the compiler could not infer from which argument the value borrows.
fn is_elision_ambiguous(signature: &Signature) -> bool {
    let mut inputs = LifetimeVisitor { removed: &[], count: 0 };
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(_) => return false,
            FnArg::Typed(argument) => inputs.visit_type_mut(&mut argument.ty.clone()),
        }
    }
    inputs.count > 1
}

/// Counts the lifetimes of a type, and removes some of them.
struct LifetimeVisitor<'a> {
    removed: &'a [Ident],
    count: usize,
}

impl VisitMut for LifetimeVisitor<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.count += usize::from(lifetime.ident != "static");
        if self.removed.contains(&lifetime.ident) {
            lifetime.ident = Ident::new("_", lifetime.ident.span());
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.count += usize::from(reference.lifetime.is_none());
        reference.lifetime.take_if(|lifetime| self.removed.contains(&lifetime.ident));
        visit_mut::visit_type_reference_mut(self, reference);
    }

    // The trait before `::` keeps its lifetimes, as a bound does.
    fn visit_type_path_mut(&mut self, path: &mut TypePath) {
        if path.qself.is_none() || self.removed.is_empty() {
            visit_mut::visit_type_path_mut(self, path);
        }
    }

    // In `Fn(&'a str)` and `fn(&'a str)` a lifetime without a name is one of their own.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
}

fn lifetime_names(tokens: TokenStream) -> Vec<Ident> {
    let mut names = Vec::new();
    let mut is_after_quote = false;
    for tree in tokens {
        match &tree {
            TokenTree::Group(group) => names.extend(lifetime_names(group.stream())),
            TokenTree::Ident(name) if is_after_quote => names.push(name.clone()),
            _ => {}
        }
        is_after_quote = matches!(&tree, TokenTree::Punct(quote) if quote.as_char() == '\'');
    }
    names
}
