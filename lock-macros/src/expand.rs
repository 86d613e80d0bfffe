use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use crate::args::Args;
use crate::call::Call;
use crate::closure;
use crate::function::Function;
use crate::options::OnError;
use crate::output::{Output, Style, Value};

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
    //         return call.run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let (run, recover) = (self.run("run", "run_with_hold"), self.recover());
        let closure =
            closure::plain(self.hold(), &self.output.value.annotation(), &self.function.body);
        let run = quote_spanned!(Span::mixed_site()=> call.#run(#closure) #recover);
        let exit = self.exit(&run);
        quote_spanned!(Span::mixed_site()=> #site #call #exit)
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         let site = …;
    //         let call = call::<R>(site, format_args!("k:{id}"));
    //         return call.run_async(async move || {
    //             if let Some(output) = None::<R> { return output; }
    //             ({ body })
    //         }).await
    //     }
    fn asynchronous(&self) -> TokenStream {
        let (site, call, recover) = (self.call.site(), self.call.statement(), self.recover());
        let closure = closure::asynchronous(self.hold(), &self.output.value, &self.function.body);
        let run = self.run_async();
        let run = quote_spanned!(Span::mixed_site()=> call.#run(#closure).await #recover);
        let exit = self.exit(&run);
        quote_spanned!(Span::mixed_site()=> #site #call #exit)
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         let site = …;
    //         return async move {
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
        let (run, hold, recover) = (self.run_async(), self.hold(), self.recover());
        let (private, closure) =
            (&self.call.private, closure::plain(None, annotation, &self.function.body));
        let future = wrap(&quote_spanned!(Span::mixed_site()=> async move {
            #call
            call.#run(async move |#hold| #private::make(#closure).await).await #recover
        }));
        quote_spanned!(Span::mixed_site()=> #site return #future)
    }

    // `clippy::implicit_return` takes a macro's last expression for the user's. It says nothing of `()` and `!`, where a
    // `return` would hide a superfluous `-> ()` or be unreachable itself.
    fn exit(&self, run: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        match (&self.output.value, &self.output.style) {
            (Value::Never(_), _) => quote_spanned!(here=> #run;),
            (value, Style::Sync) if value.is_unit() => run.clone(),
            _ => quote_spanned!(here=> return #run),
        }
    }

    fn recover(&self) -> TokenStream {
        match &self.args.options.on_error {
            OnError::Handle(handler) => {
                quote_spanned!(Span::mixed_site()=> .unwrap_or_else(#handler))
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
