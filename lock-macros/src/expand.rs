use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use crate::args::Args;
use crate::call::Call;
use crate::closure;
use crate::finished;
use crate::function::Function;
use crate::on_error::OnError;
use crate::output::{Output, Style, Value};

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
    //         return distlock_call.run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let closure = closure::plain(self.function, self.hold(), &self.output.value.annotation());
        let (run, recover) = (self.run("run", "run_with_hold"), self.recover());
        let exit =
            self.exit(&quote_spanned!(Span::mixed_site()=> distlock_call.#run(#closure) #recover));
        let finished = finished::check(&self.call.private, &self.args.options, &self.output.value);
        quote_spanned!(Span::mixed_site()=> #finished #site #call #exit)
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         let distlock_site = …;
    //         let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //         return distlock_call.run_async(move || async move {
    //             if false { return None::<R>.unwrap(); }
    //             ({ body })
    //         }).await
    //     }
    //
    fn asynchronous(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let run = self.run_async(&closure::asynchronous(self.function, &self.output.value));
        quote_spanned!(Span::mixed_site()=> #site #call #run)
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         let distlock_site = …;
    //         async move {
    //             let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //             return distlock_call.run_async(move || async move { make(|| { body }).await }).await
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
        let closure = closure::plain(self.function, None, annotation);
        let run = self.run_async(&quote_spanned!(Span::mixed_site()=> async move {
            #private::make(#closure).await
        }));
        let future = wrap(&quote_spanned!(Span::mixed_site()=> async move { #call #run }));
        // No `return`: `tracing::instrument` looks for the future at the end of what is below it.
        quote_spanned!(Span::mixed_site()=> #site #future)
    }

    // A closure, so that the future is made where it stays: one that is handed over takes its room twice at each level.
    fn run_async(&self, body: &TokenStream) -> TokenStream {
        let (run, hold, recover) =
            (self.run("run_async", "run_async_with_hold"), self.hold(), self.recover());
        self.exit(&quote_spanned!(Span::mixed_site()=>
            distlock_call.#run(move |#hold| #body).await #recover
        ))
    }

    // `clippy::implicit_return` takes a macro's last expression for the user's. It says nothing of `()` and `!`, where a
    // `return` would hide a superfluous `-> ()` or be unreachable itself.
    fn exit(&self, run: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        match (&self.output.value, &self.output.style) {
            (Value::Never(_), Style::Sync) => quote_spanned!(here=> #run;),
            (Value::Never(_), _) => run.clone(),
            (value, Style::Sync) if value.is_unit() => run.clone(),
            _ => quote_spanned!(here=> return #run),
        }
    }

    const fn hold(&self) -> Option<&Ident> {
        self.args.options.hold.as_ref()
    }

    fn run(&self, plain: &str, with_hold: &str) -> Ident {
        let name = if self.hold().is_some() { with_hold } else { plain };
        Ident::new(name, Span::mixed_site())
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
