use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use crate::duration::{self, Length};
use crate::options::Options;

/// The options known while compiling, as a chain of const calls on the site.
pub(crate) fn constant(options: &Options) -> TokenStream {
    let lengths = lengths(options).filter_map(|(name, length)| match length {
        Length::Known(duration) => Some(setter(name, &duration::constant(*duration))),
        Length::Computed(_) => None,
    });
    let renew = options.renew.as_ref().map(|renew| setter("renew", &quote!(#renew)));
    let on_lost = options.finish_on_loss.then(|| setter("on_lost_finish", &TokenStream::new()));
    lengths.chain(renew).chain(on_lost).collect()
}

/// The options that are expressions, as a chain of calls evaluated each time the function is called; and the one that
/// changes the call's type.
pub(crate) fn computed(options: &Options) -> TokenStream {
    let manager = options.manager.as_ref().map(|manager| setter("manager", &borrowed(manager)));
    let lengths = lengths(options).filter_map(|(name, length)| match length {
        Length::Known(_) => None,
        Length::Computed(expr) => Some(setter(name, &quote!(#expr))),
    });
    let release =
        options.release_confirmed.then(|| setter("release_confirmed", &TokenStream::new()));
    manager.into_iter().chain(lengths).chain(release).collect()
}

fn lengths(options: &Options) -> impl Iterator<Item = (&'static str, &Length)> {
    let named = [("ttl", &options.ttl), ("wait", &options.wait), ("max_hold", &options.max_hold)];
    named.into_iter().filter_map(|(name, length)| Some((name, length.as_ref()?)))
}

// Printed where the expression stands, so that a wrong type is reported there.
fn borrowed(manager: &Expr) -> TokenStream {
    let here = Span::mixed_site().located_at(manager.span());
    quote_spanned!(here=> &(#manager))
}

fn setter(name: &str, value: &TokenStream) -> TokenStream {
    let name = Ident::new(name, Span::mixed_site());
    quote_spanned!(Span::mixed_site()=> .#name(#value))
}
