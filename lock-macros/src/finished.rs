use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Type, TypePath};

use crate::on_error::OnError;
use crate::options::Options;
use crate::output::Value;

/// Asks the compiler whether the name of a return type hides a future, which would leave the function before it has run.
///
/// Only where no bound on the type says so already, as that of a `Result` or of a skipped call does.
pub(crate) fn check(
    private: &TokenStream,
    options: &Options,
    value: &Value,
) -> Option<TokenStream> {
    let Value::Named(named) = value else {
        return None;
    };
    let is_bound = options.skip_if_busy || matches!(options.on_error, OnError::Return);
    let name = may_hide_a_future(named).filter(|_| !is_bound)?;
    let here = Span::mixed_site();
    // In the user's name, so that the compiler points at the type alone.
    let is_finished = Ident::new("distlock_is_finished", name);
    Some(quote_spanned!(here=> #private::returned::<#named>().#is_finished();))
}

// The place of the name, where the mistake is reported.
fn may_hide_a_future(ty: &Type) -> Option<Span> {
    match ty {
        Type::Macro(_) => Some(ty.span()),
        Type::Path(path) if !is_known(path) && !is_open(ty) => {
            Some(path.path.segments.last()?.ident.span())
        }
        _ => None,
    }
}

// Spares the compiler the question for the most frequent types.
fn is_known(path: &TypePath) -> bool {
    const KNOWN: &str = "bool char f32 f64 i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize \
                         String Option Result Vec";
    let last = path.path.segments.last();
    last.is_some_and(|last| KNOWN.split(' ').any(|known| last.ident == known))
}

// A type that the compiler finds by itself is not found yet where it is asked.
fn is_open(ty: &Type) -> bool {
    struct Finder(bool);
    impl VisitMut for Finder {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            self.0 |= matches!(ty, Type::Infer(_));
            visit_mut::visit_type_mut(self, ty);
        }
    }
    let mut finder = Finder(false);
    finder.visit_type_mut(&mut ty.clone());
    finder.0
}
