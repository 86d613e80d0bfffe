use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use crate::bound::Bound;
use crate::duration::{self, Length};
use crate::options::Options;

/// The options known while compiling, as a chain of const calls on the site.
pub(crate) fn constant(private: &TokenStream, options: &Options) -> TokenStream {
    let setter = |name, method, value: &_| setter(options.span(name), method, value);
    let lengths = lengths(options).filter_map(|(name, length)| match length {
        Length::Known(duration) => {
            Some(setter(name, name, &duration::constant(private, *duration)))
        }
        Length::Computed(_) => None,
    });
    let renew = options.renew.as_ref().map(|renew| setter("renew", "renew", &quote!(#renew)));
    let reenter = options.reenter.as_ref();
    let reenter = reenter.map(|reenter| setter("reenter", "reenter", &quote!(#reenter)));
    let on_lost = options.finish_on_loss;
    let on_lost = on_lost.then(|| setter("on_lost", "on_lost_finish", &TokenStream::new()));
    let fairness = options.strict_fifo;
    let fairness = fairness.then(|| setter("fairness", "strict_fifo", &TokenStream::new()));
    let each = matches!(options.hold, Some(Bound::Each(..)));
    let each = each.then(|| setter("hold", "hold_each", &TokenStream::new()));
    lengths.chain(renew).chain(reenter).chain(each).chain(on_lost).chain(fairness).collect()
}

/// The options that are expressions, as a chain of calls evaluated each time the function is called; and the one that
/// changes the call's type.
pub(crate) fn computed(options: &Options) -> TokenStream {
    let setter = |name, method, value: &_| setter(options.span(name), method, value);
    let manager = options.manager.as_ref();
    let manager = manager.map(|manager| setter("manager", "manager", &borrowed(manager)));
    let lengths = lengths(options).filter_map(|(name, length)| match length {
        Length::Known(_) => None,
        Length::Computed(expr) => Some(setter(name, name, &quote!(#expr))),
    });
    let release = options.wait_for_release;
    let release = release.then(|| setter("release", "wait_for_release", &TokenStream::new()));
    manager.into_iter().chain(lengths).chain(release).collect()
}

fn lengths(options: &Options) -> impl Iterator<Item = (&'static str, &Length)> {
    let named = [
        ("ttl", &options.ttl),
        ("wait", &options.wait),
        ("max_hold", &options.max_hold),
        ("linger", &options.linger),
    ];
    named.into_iter().filter_map(|(name, length)| Some((name, length.as_ref()?)))
}

// Printed where the expression stands, so that a wrong type is reported there.
fn borrowed(manager: &Expr) -> TokenStream {
    let here = Span::mixed_site().located_at(manager.span());
    quote_spanned!(here=> &(#manager))
}

// The method stands where the option does, so that the compiler's remarks about its argument point there.
fn setter(option: Span, method: &str, value: &TokenStream) -> TokenStream {
    let here = Span::mixed_site().located_at(option);
    let method = Ident::new(method, here);
    quote_spanned!(here=> .#method(#value))
}
