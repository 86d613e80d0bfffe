use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned as _;

use crate::args::Args;
use crate::call::Call;
use crate::function::Function;
use crate::on_error::OnError;
use crate::output::{Output, Style};

/// Prints the function with its body moved into a closure that runs under the lock.
///
/// Bindings of ours are mixed-site, so that no argument can collide with them.
pub(crate) fn expand(function: &Function, args: &Args, output: &Output) -> TokenStream {
    let call = Call::new(function, args, output);
    let expansion = Expansion { function, args, output, call };
    function.with_body(&expansion.body())
}

struct Expansion<'a> {
    function: &'a Function,
    args: &'a Args,
    output: &'a Output,
    call: Call<'a>,
}

impl Expansion<'_> {
    fn body(&self) -> TokenStream {
        match &self.output.style {
            Style::Sync => self.sync(),
            Style::Async => self.asynchronous(),
            Style::Opaque { unpin: false } => self.future(Clone::clone, &TokenStream::new()),
            Style::Opaque { unpin: true } => self.future(boxed, &TokenStream::new()),
            Style::Boxed(declared) => self.future(boxed, &quote!(-> #declared)),
        }
    }

    // Input:
    //     #[distributed_lock("k:{id}", wait = "5s")]
    //     fn f(id: u64) -> R { body }
    //
    // Output:
    //     fn f(id: u64) -> R {
    //         let site = {
    //             static SITE: Site = Site::new("path::f", "k:{id}", "file", 1).wait(…);
    //             &SITE
    //         };
    //         let call = call::<R>(site, format_args!("k:{id}"));
    //         call.run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let (annotation, body) = (self.output.value.annotation(), &self.function.body);
        let (run, taking, recover) =
            (self.run("run", "run_with_hold"), self.taking(), self.recover());
        quote_spanned!(Span::mixed_site()=>
            #site
            #call
            call.#run(#taking #annotation #body) #recover
        )
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         let site = …;
    //         let call = call::<R>(site, format_args!("k:{id}"));
    //         call.run_async(async move || {
    //             if let Some(output) = None::<R> { return output; }
    //             ({ body })
    //         }).await
    //     }
    //
    // `move` keeps the future `Send` for arguments that are `Send` but not `Sync`.
    fn asynchronous(&self) -> TokenStream {
        let (site, call, block) = (self.call.site(), self.call.statement(), self.typed_block());
        let (run, taking, recover) = (self.run_async(), self.taking_async(), self.recover());
        quote_spanned!(Span::mixed_site()=>
            #site
            #call
            call.#run(#taking #block).await #recover
        )
    }

    // The declared type of an async closure takes no part in coercions to `dyn`
    // (rust-lang/rust#145105); a `return` of that type does. It stands outside the user's block,
    // where a `use Enum::*` cannot shadow its names. The block keeps its own braces; the
    // parentheses keep them from counting as superfluous.
    fn typed_block(&self) -> TokenStream {
        let body = &self.function.body;
        let Some(value) = self.output.value.name() else {
            return quote!(#body);
        };
        let here = Span::mixed_site().located_at(value.span());
        let pin = quote_spanned!(here=>
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#value> {
                return output;
            }
        );
        // Beside the name, not at it: where braces and closure share their place, the compiler proposes `ref` before it.
        let beside = Span::mixed_site().located_at(self.function.signature.fn_token.span);
        quote_spanned!(beside=> { #pin (#body) })
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         let site = …;
    //         async move {
    //             let call = call::<R>(site, format_args!("k:{id}"));
    //             call.run_async(async move || make(|| { body }).await).await
    //         }
    //     }
    //
    // A `return` in the body returns the future, hence the closure inside.
    fn future(
        &self,
        wrap: fn(&TokenStream) -> TokenStream,
        annotation: &TokenStream,
    ) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let (private, body) = (&self.call.private, &self.function.body);
        let (run, taking, recover) = (self.run_async(), self.taking_async(), self.recover());
        let future = wrap(&quote_spanned!(Span::mixed_site()=> async move {
            #call
            call.#run(#taking #private::make(|| #annotation #body).await).await #recover
        }));
        quote_spanned!(Span::mixed_site()=> #site #future)
    }

    // What the compiler says of the closure it says of the function: "this is not `async`" stands at its name.
    fn taking(&self) -> TokenStream {
        let hold = self.hold();
        quote_spanned!(self.function.name_site()=> |#hold|)
    }

    fn taking_async(&self) -> TokenStream {
        let hold = self.hold();
        quote_spanned!(self.function.name_site()=> async move |#hold|)
    }

    fn recover(&self) -> TokenStream {
        match &self.args.options.on_error {
            OnError::Handle(handler) => {
                let here = Span::mixed_site().located_at(self.args.options.span("on_error"));
                quote_spanned!(here=> .unwrap_or_else(#handler))
            }
            OnError::Return | OnError::Panic => TokenStream::new(),
        }
    }

    const fn hold(&self) -> Option<&Ident> {
        self.args.options.hold.as_ref()
    }

    fn run_async(&self) -> Ident {
        self.run("run_async", "run_async_with_hold")
    }

    fn run(&self, plain: &str, with_hold: &str) -> Ident {
        let name = if self.hold().is_some() { with_hold } else { plain };
        Ident::new(name, Span::mixed_site())
    }
}

fn boxed(future: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(#future))
}
