use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned as _;

use crate::args::Args;
use crate::call::Call;
use crate::function::Function;
use crate::on_error::OnError;
use crate::output::{Output, Style};

/// Prints the function with its body moved into a closure that runs under the lock.
///
/// Bindings of ours are mixed-site, so that no argument can collide with them. Against a constant, a static or a unit
/// struct of the same name that does not help (rust-lang/rust#22462), hence their prefix.
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
    //         let distlock_site = {
    //             static SITE: Site = Site::new(module_path!(), "f", "k:{id}").wait(…);
    //             &SITE
    //         };
    //         let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //         distlock_call.run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (site, call, recover) = (self.call.site(), self.call.statement(), self.recover());
        let (hold, annotation) = (self.args.options.hold.as_ref(), self.output.value.annotation());
        let run =
            Ident::new(if hold.is_some() { "run_with_hold" } else { "run" }, Span::mixed_site());
        let closure = self.closure(hold, &annotation);
        quote_spanned!(Span::mixed_site()=> #site #call distlock_call.#run(#closure) #recover)
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         let distlock_site = …;
    //         let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //         let distlock_body = async move {
    //             if false { return None::<R>.unwrap(); }
    //             ({ body })
    //         };
    //         let distlock_body = pin!(Some(distlock_body));
    //         distlock_call.run_async(distlock_body).await
    //     }
    //
    // `move` keeps the future `Send` for arguments that are `Send` but not `Sync`.
    fn asynchronous(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let run = self.run_async(&self.typed_block());
        quote_spanned!(Span::mixed_site()=> #site #call #run)
    }

    // The type of an async block cannot be declared; that of a `return` in it is what coercions to `dyn` go by. It stands
    // outside the user's block, where a `use Enum::*` cannot shadow its names. The block keeps its own braces; the
    // parentheses keep them from counting as superfluous.
    fn typed_block(&self) -> TokenStream {
        let body = self.held(&self.function.body.to_token_stream());
        let Some(value) = self.output.value.name() else {
            return quote!({ #body });
        };
        let here = Span::mixed_site().located_at(value.span());
        let pin = quote_spanned!(here=>
            if false {
                return ::core::option::Option::None::<#value>.unwrap();
            }
        );
        // Beside the name, not at it: where braces and block share their place, the compiler proposes `ref` before it.
        let beside = Span::mixed_site().located_at(self.function.signature.fn_token.span);
        quote_spanned!(beside=> { #pin (#body) })
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         let distlock_site = …;
    //         async move {
    //             let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //             let distlock_body = async move { make(|| { body }).await };
    //             let distlock_body = pin!(Some(distlock_body));
    //             distlock_call.run_async(distlock_body).await
    //         }
    //     }
    //
    // A `return` in the body returns the future, hence the closure inside.
    fn future(
        &self,
        wrap: fn(&TokenStream) -> TokenStream,
        annotation: &TokenStream,
    ) -> TokenStream {
        let (site, call, private) = (self.call.site(), self.call.statement(), &self.call.private);
        let closure = self.closure(None, annotation);
        let awaited = quote_spanned!(Span::mixed_site()=> #private::make(#closure).await);
        let inner = self.held(&awaited);
        let block = quote_spanned!(Span::mixed_site()=> { #inner });
        let run = self.run_async(&block);
        let future = wrap(&quote_spanned!(Span::mixed_site()=> async move { #call #run }));
        quote_spanned!(Span::mixed_site()=> #site #future)
    }

    // The future is pinned in its place: handed over by value it would take its room twice at each level.
    fn run_async(&self, block: &TokenStream) -> TokenStream {
        let recover = self.recover();
        let block = quote_spanned!(self.function.name_site()=> async move #block);
        quote_spanned!(Span::mixed_site()=>
            let distlock_body = #block;
            let distlock_body = ::core::pin::pin!(::core::option::Option::Some(distlock_body));
            distlock_call.run_async(distlock_body).await #recover
        )
    }

    // What the compiler says of the closure it says of the function: "this is not `async`" stands at its name.
    fn closure(&self, hold: Option<&Ident>, annotation: &TokenStream) -> TokenStream {
        let body = &self.function.body;
        quote_spanned!(self.function.name_site()=> |#hold| #annotation #body)
    }

    // An arm drops what its tail borrows before it drops the name, as a function does with an argument.
    fn held(&self, body: &TokenStream) -> TokenStream {
        let private = &self.call.private;
        self.args.options.hold.as_ref().map_or_else(
            || body.clone(),
            |hold| quote_spanned!(Span::mixed_site()=> match #private::hold() { #hold => #body }),
        )
    }

    fn recover(&self) -> TokenStream {
        match &self.args.options.on_error {
            OnError::Handle(handler) => {
                quote_spanned!(Span::mixed_site()=> .unwrap_or_else(#handler))
            }
            OnError::Return | OnError::Panic => TokenStream::new(),
        }
    }
}

fn boxed(future: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(#future))
}
