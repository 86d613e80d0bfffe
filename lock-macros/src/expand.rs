use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::Ident;

use crate::args::Args;
use crate::bound::Bound;
use crate::call::Call;
use crate::closure;
use crate::finished;
use crate::function::Function;
use crate::on_error::OnError;
use crate::output::{Output, Style, Value};
use crate::reassigned::Reassigned;

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
            Style::Opaque { unpin: false, .. } => self.future(opaque, &TokenStream::new()),
            Style::Opaque { unpin: true, .. } => self.future(boxed, &TokenStream::new()),
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
        let closure = closure::plain(
            self.function,
            self.hold(),
            &self.output.value.annotation(),
            &self.reassigned(),
        );
        let run = self.run("run");
        let exit = self.exit(&quote_spanned!(self.body_site()=> distlock_call.#run(#closure)));
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
    //             if false { return never::<R>(); }
    //             ({ body })
    //         }).await
    //     }
    //
    fn asynchronous(&self) -> TokenStream {
        let (site, call) = (self.call.site(), self.call.statement());
        let run = self.run_async(&closure::asynchronous(
            &self.call.private,
            self.function,
            &self.output.value,
            &self.reassigned(),
        ));
        quote_spanned!(Span::mixed_site()=> #site #call #run)
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         async move {
    //             let distlock_site = …;
    //             let distlock_call = call::<R>(distlock_site, format_args!("k:{id}"));
    //             return distlock_call.run_async(move || async move { make(|| { body }).await }).await
    //         }
    //     }
    //
    // A `return` in the body returns the future, hence the closure inside. Attributes below ours look for the future at the
    // end of the function, without a `return`, and put code of theirs into its block: so it needs nothing before it, and the
    // braces are the user's.
    fn future(
        &self,
        wrap: fn(&TokenStream, &TokenStream) -> TokenStream,
        annotation: &TokenStream,
    ) -> TokenStream {
        let (site, call, private) = (self.call.site(), self.call.statement(), &self.call.private);
        let closure = closure::plain(self.function, None, annotation, &self.reassigned());
        let run = self.run_async(&quote_spanned!(Span::mixed_site()=> async move {
            #private::make(#closure).await
        }));
        let inside = quote_spanned!(Span::mixed_site()=> #site #call #run);
        let block = closure::in_braces_of(&self.function.body, &inside);
        wrap(private, &quote_spanned!(Span::mixed_site()=> async move #block))
    }

    // What the compiler says of the value as a whole, as of its lifetimes, it says of the body.
    fn body_site(&self) -> Span {
        Span::mixed_site().located_at(self.function.body.span())
    }

    // A closure, so that the future is made where it stays: one that is handed over takes its room twice at each level.
    fn run_async(&self, body: &TokenStream) -> TokenStream {
        let (run, hold) = (self.run("run_async"), self.hold());
        self.exit(&quote_spanned!(Span::mixed_site()=>
            distlock_call.#run(move |#hold| #body).await
        ))
    }

    // `clippy::implicit_return` takes a macro's last expression for the user's. It says nothing of `()` and `!`, where a
    // `return` would hide a superfluous `-> ()` or be unreachable itself.
    fn exit(&self, run: &TokenStream) -> TokenStream {
        let (run, here) = (&self.handled(run), Span::mixed_site());
        match (&self.output.value, &self.output.style) {
            (Value::Never(_), Style::Sync) => quote_spanned!(here=> #run;),
            (Value::Never(_), _) => run.clone(),
            (value, Style::Sync) if value.is_unit() => run.clone(),
            _ => quote_spanned!(here=> return #run),
        }
    }

    // What the handler of failures uses stays in the function.
    fn reassigned(&self) -> Reassigned<'_> {
        let handler = match &self.args.options.on_error {
            OnError::Handle(handler) => handler.to_token_stream(),
            OnError::Return | OnError::Panic => TokenStream::new(),
        };
        Reassigned::of(&self.function.signature, &self.call.private, &handler)
    }

    const fn hold(&self) -> Option<&Bound> {
        self.args.options.hold.as_ref()
    }

    fn run(&self, plain: &str) -> TokenStream {
        match self.hold() {
            Some(hold) => hold.method(plain),
            None => Ident::new(plain, Span::mixed_site()).into_token_stream(),
        }
    }

    fn handled(&self, run: &TokenStream) -> TokenStream {
        let private = &self.call.private;
        match &self.args.options.on_error {
            OnError::Handle(handler) => {
                quote_spanned!(Span::mixed_site()=> #private::handle(#run, #handler))
            }
            OnError::Return | OnError::Panic => run.clone(),
        }
    }
}

// An item before the block keeps clippy from asking for an `async fn` in its place.
fn opaque(_: &TokenStream, future: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> const _: () = (); #future)
}

// Attributes that look for a boxed future know it by `Box::pin`, which is a function of ours here: the crate may be without
// `std`.
fn boxed(private: &TokenStream, future: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> #private::Box::pin(#future))
}
