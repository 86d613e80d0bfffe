use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::LitStr;
use syn::ext::IdentExt as _;

use crate::args::Args;
use crate::function::Function;
use crate::keys::Keys;
use crate::on_error::OnError;
use crate::options::Options;
use crate::output::Output;
use crate::settings;

/// The statements before the body runs.
pub(crate) struct Call<'a> {
    function: &'a Function,
    args: &'a Args,
    output: &'a Output,
    /// The path of the hidden module that the expansion calls into.
    pub(crate) private: TokenStream,
}

impl<'a> Call<'a> {
    pub(crate) fn new(function: &'a Function, args: &'a Args, output: &'a Output) -> Self {
        let private = private(&args.options);
        Self { function, args, output, private }
    }

    // The static sits in a block of its own, where the body cannot see its name.
    pub(crate) fn site(&self) -> TokenStream {
        let Self { function, args, private, .. } = self;
        let here = Span::mixed_site();
        let name = LitStr::new(&function.signature.ident.unraw().to_string(), here);
        let template = LitStr::new(&args.keys.text(), here);
        let constants = settings::constant(private, &args.options);
        quote_spanned!(here=> let distlock_site = {
            static SITE: #private::Site = #private::Site::new(
                ::core::module_path!(),
                #name,
                #template,
            ) #constants;
            &SITE
        };)
    }

    // The key is rendered in a statement of its own: its temporaries must not live on while the body runs, nor across an
    // `.await` in an option, where they would cost the future its `Send`. The second statement costs stack at each level of
    // nesting, so it is written only where an option may await.
    pub(crate) fn statement(&self) -> TokenStream {
        let (call, skip, here) = (self.call(), self.skip(), Span::mixed_site());
        let settings = settings::computed(&self.args.options);
        if may_await(&settings) {
            return quote_spanned!(here=>
                let distlock_call = #call #skip;
                let distlock_call = distlock_call #settings;
            );
        }
        quote_spanned!(here=> let distlock_call = #call #skip #settings;)
    }

    fn call(&self) -> TokenStream {
        let entry = self.entry();
        match &self.args.keys {
            Keys::One(key) => {
                quote_spanned!(Span::mixed_site()=> #entry(distlock_site, ::core::format_args!(#key)))
            }
            Keys::All(list) => list.call(&entry),
        }
    }

    // The turbofish is the one place where a return type without room for the error is reported.
    fn entry(&self) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let value = self.output.value.argument();
        match (&self.args.options.on_error, &self.args.keys) {
            (OnError::Return, Keys::One(_)) => quote_spanned!(here=> #private::call::<#value>),
            (OnError::Return, Keys::All(_)) => quote_spanned!(here=> #private::call_all::<#value>),
            (OnError::Panic, Keys::One(_)) => quote_spanned!(here=> #private::call_or_panic),
            (OnError::Panic, Keys::All(_)) => quote_spanned!(here=> #private::call_all_or_panic),
            (OnError::Handle(_), Keys::One(_)) => quote_spanned!(here=> #private::try_call),
            (OnError::Handle(_), Keys::All(_)) => quote_spanned!(here=> #private::try_call_all),
        }
    }

    fn skip(&self) -> Option<TokenStream> {
        let value = self.output.value.argument();
        let options = &self.args.options;
        let here = Span::mixed_site().located_at(options.span("if_busy"));
        options.skip_if_busy.then(|| quote_spanned!(here=> .or_skip::<#value>()))
    }
}

/// Whether these tokens have an `.await`, or a macro that may expand to one.
fn may_await(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == "await",
        TokenTree::Punct(punct) => punct.as_char() == '!',
        TokenTree::Group(group) => may_await(&group.stream()),
        TokenTree::Literal(_) => false,
    })
}

fn private(options: &Options) -> TokenStream {
    let here = Span::mixed_site();
    options.face.as_ref().map_or_else(
        || quote_spanned!(here=> ::distlock::__private),
        |face| quote_spanned!(here=> #face::__private),
    )
}
