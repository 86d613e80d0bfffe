use std::time::Duration;

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, LitStr};

use crate::args::Args;
use crate::function::{Function, braces_at};
use crate::key::{KeyArg, KeyPattern, KeySpec};
use crate::options::{DurationArg, HoldBinding, OnError, Options};
use crate::output::{FnKind, Output, ReturnValue};

/// Prints the function with its body moved into a closure that runs under the lock.
///
/// Our own bindings are mixed-site, so that no argument can collide with them. That does not help
/// against a constant, a static or a unit struct of the same name (rust-lang/rust#22462), hence
/// their prefix.
pub(crate) fn expand(function: &Function, args: &Args, output: &Output) -> TokenStream {
    let here = Span::mixed_site();
    let private = args.options.crate_path.as_ref().map_or_else(
        || quote_spanned!(here=> ::distlock::__private),
        |path| quote_spanned!(here=> #path::__private),
    );
    let Args { keys, options } = args;
    let expansion = Expansion { function, keys, options, output, private };
    function.with_body(&expansion.body())
}

pub(crate) struct Expansion<'a> {
    pub(crate) function: &'a Function,
    keys: &'a KeySpec,
    pub(crate) options: &'a Options,
    pub(crate) output: &'a Output,
    /// The path of the hidden module that the expansion calls into.
    pub(crate) private: TokenStream,
}

impl<'a> Expansion<'a> {
    fn body(&self) -> TokenStream {
        match &self.output.kind {
            FnKind::Sync => self.sync(),
            FnKind::Async => self.asynchronous(),
            // An item before the block keeps clippy from asking for an `async fn` in its place.
            FnKind::Opaque { unpin: false, .. } => {
                let future = self.future(None);
                quote_spanned!(Span::mixed_site()=> const _: () = (); #future)
            }
            FnKind::Opaque { unpin: true, .. } => self.boxed_future(None),
            FnKind::Boxed(declared) => self.boxed_future(Some(&quote!(-> #declared))),
        }
    }

    // Input:
    //     #[distributed_lock("k:{id}", wait = "5s")]
    //     fn f(id: u64) -> R { body }
    //
    // Output:
    //     fn f(id: u64) -> R {
    //         let distlock_fn = {
    //             static LOCKED_FN: LockedFn = LockedFn::new(…, "f", "k:{id}").wait(…);
    //             &LOCKED_FN
    //         };
    //         let distlock_call = call::<R>(distlock_fn, format_args!("k:{id}"));
    //         return distlock_call.run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (check, preamble) = (self.future_check(), self.preamble());
        let (run, closure) =
            (self.run("run"), self.closure(self.hold().as_ref(), self.return_type().as_ref()));
        // What the compiler says about the value as a whole, as about its lifetimes, it says about
        // the body.
        let at_body = Span::mixed_site().located_at(self.function.body.span());
        let exit = self.exit(&quote_spanned!(at_body=> distlock_call.#run(#closure)));
        quote_spanned!(Span::mixed_site()=> #check #preamble #exit)
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         let distlock_fn = …;
    //         let distlock_call = call::<R>(distlock_fn, format_args!("k:{id}"));
    //         return distlock_call.run_async(move || async move {
    //             if false { return never::<R>(); }
    //             ({ body })
    //         }).await
    //     }
    fn asynchronous(&self) -> TokenStream {
        let (preamble, run) = (self.preamble(), self.run_async(&self.async_block()));
        quote_spanned!(Span::mixed_site()=> #preamble #run)
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         async move {
    //             let distlock_fn = …;
    //             let distlock_call = call::<R>(distlock_fn, format_args!("k:{id}"));
    //             return distlock_call.run_async(move || async move {
    //                 make(|| { body }).await
    //             }).await
    //         }
    //     }
    //
    // A `return` in the body returns the future, hence the closure inside. Attributes below ours
    // look for the future at the end of the function, without a `return`, and put code of theirs
    // into its block: so nothing may have to run before the block, and its braces are the user's.
    fn future(&self, return_type: Option<&TokenStream>) -> TokenStream {
        let (preamble, here, private) = (self.preamble(), Span::mixed_site(), &self.private);
        let closure = self.closure(None, return_type);
        let run = self.run_async(&quote_spanned!(here=> async move {
            #private::make(#closure).await
        }));
        let block = braces_at(self.function.body.span(), quote_spanned!(here=> #preamble #run));
        quote_spanned!(here=> async move #block)
    }

    // Attributes that look for a boxed future recognise it by `Box::pin`, which is a function of
    // ours here, because the user's crate may be without `std`.
    fn boxed_future(&self, return_type: Option<&TokenStream>) -> TokenStream {
        let (private, future) = (&self.private, self.future(return_type));
        quote_spanned!(Span::mixed_site()=> #private::Box::pin(#future))
    }

    // A closure, so that the future is made where it stays: one that is passed as an argument takes
    // its size twice at each level.
    fn run_async(&self, body: &TokenStream) -> TokenStream {
        let (run, hold) = (self.run("run_async"), self.hold());
        self.exit(&quote_spanned!(Span::mixed_site()=>
            distlock_call.#run(move |#hold| #body).await
        ))
    }

    // The method that runs the body, for what the body binds.
    fn run(&self, plain: &str) -> Ident {
        let method = match self.options.hold {
            None => plain.to_owned(),
            Some(HoldBinding::One(_)) => format!("{plain}_with_hold"),
            Some(HoldBinding::Each(..)) => format!("{plain}_with_holds"),
        };
        Ident::new(&method, Span::mixed_site())
    }

    // The pattern of the closure's argument.
    fn hold(&self) -> Option<TokenStream> {
        self.options.hold.as_ref().map(|hold| match hold {
            HoldBinding::One(name) => name.to_token_stream(),
            HoldBinding::Each(brackets, names) => {
                let mut list = TokenStream::new();
                brackets.surround(&mut list, |list| names.to_tokens(list));
                list
            }
        })
    }

    // `clippy::implicit_return` takes a macro's last expression for the user's. It ignores `()` and
    // `!`, where a `return` would hide a superfluous `-> ()` or be unreachable itself.
    fn exit(&self, run: &TokenStream) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let run = match &self.options.on_error {
            OnError::Handle(handler) => quote_spanned!(here=> #private::handle(#run, #handler)),
            OnError::Return | OnError::Panic => run.clone(),
        };
        match (&self.output.value, &self.output.kind) {
            (ReturnValue::Never(_), FnKind::Sync) => quote_spanned!(here=> #run;),
            (ReturnValue::Never(_), _) => run,
            (value, FnKind::Sync) if value.is_unit() => run,
            _ => quote_spanned!(here=> return #run),
        }
    }

    // The statements before the body runs.
    //
    // The static is in a block of its own, where the body cannot see its name. The key is rendered
    // in a statement of its own: its temporaries must not live while the body runs, nor across an
    // `.await` in an option, where the future would no longer be `Send`. The third statement costs
    // stack at each level of nesting, so it is written only where an option may await.
    fn preamble(&self) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let name = LitStr::new(&self.function.signature.ident.unraw().to_string(), here);
        let template = LitStr::new(&self.keys.text(), here);
        let constants = self.setters(true);
        let (call, skip, settings) = (self.call(), self.or_skip(), self.setters(false));
        let settings = if may_await(&settings) {
            quote_spanned!(here=> ; let distlock_call = distlock_call #settings)
        } else {
            settings
        };
        quote_spanned!(here=>
            let distlock_fn = {
                static LOCKED_FN: #private::LockedFn = #private::LockedFn::new(
                    ::core::module_path!(),
                    #name,
                    #template,
                ) #constants;
                &LOCKED_FN
            };
            let distlock_call = #call #skip #settings;
        )
    }

    fn call(&self) -> TokenStream {
        let entry = self.entry();
        if self.keys.is_list {
            return self.call_of_list(&entry);
        }
        let literals = self.keys.patterns.iter().map(|pattern| &pattern.literal);
        let args = self.keys.args.iter().map(|KeyArg { name, value }| match name {
            Some(name) => quote!(#name = #value),
            None => value.to_token_stream(),
        });
        let key = quote!(#(#literals)* #(, #args)*);
        quote_spanned!(Span::mixed_site()=> #entry(distlock_fn, ::core::format_args!(#key)))
    }

    // Input:
    //     #[distributed_lock(["a:{id}", "b:{id}"], id = self.id)]
    //
    // Output:
    //     match (&(self.id),) {
    //         (distlock_key_id,) => call_all::<R>(distlock_fn, &[
    //             format_args!("a:{id}", id = *distlock_key_id),
    //             format_args!("b:{id}", id = *distlock_key_id),
    //         ]),
    //     }
    //
    // Named arguments are evaluated before the first key is rendered, in the order they are
    // written: each once, however many keys take it. So no `.await` in one runs while a key is
    // unfinished, which would not be `Send`.
    fn call_of_list(&self, entry: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let binding =
            |name: &Ident, span| format_ident!("distlock_key_{}", name.unraw(), span = span);
        let named = |arg: &'a KeyArg| Some((arg.name.as_ref()?, &arg.value));
        let args: Vec<(&Ident, &Expr)> = self.keys.args.iter().filter_map(named).collect();
        let keys = self.keys.patterns.iter().map(|KeyPattern { literal, placeholders }| {
            let taken = args.iter().filter(|(name, _)| placeholders.mention(name));
            // Printed where the value is, so that a type without a text is reported there.
            let taken = taken.map(|(name, value)| {
                let at_value = here.located_at(value.span());
                let binding = binding(name, at_value);
                quote_spanned!(at_value=> #name = *#binding)
            });
            quote_spanned!(here=> ::core::format_args!(#literal #(, #taken)*))
        });
        let call = quote_spanned!(here=> #entry(distlock_fn, &[#(#keys),*]));
        if args.is_empty() {
            return call;
        }
        let bindings = args.iter().map(|(name, _)| binding(name, here));
        let values = args.iter().map(|(_, value)| value);
        quote_spanned!(here=> match (#(&(#values),)*) { (#(#bindings,)*) => #call })
    }

    // The turbofish is the one place where a return type without room for the error is reported.
    fn entry(&self) -> TokenStream {
        let (private, here, value) = (&self.private, Span::mixed_site(), self.type_argument());
        match (&self.options.on_error, self.keys.is_list) {
            (OnError::Return, false) => quote_spanned!(here=> #private::call::<#value>),
            (OnError::Return, true) => quote_spanned!(here=> #private::call_all::<#value>),
            (OnError::Panic, false) => quote_spanned!(here=> #private::call_or_panic),
            (OnError::Panic, true) => quote_spanned!(here=> #private::call_all_or_panic),
            (OnError::Handle(_), false) => quote_spanned!(here=> #private::try_call),
            (OnError::Handle(_), true) => quote_spanned!(here=> #private::try_call_all),
        }
    }

    fn or_skip(&self) -> Option<TokenStream> {
        let value = self.type_argument();
        let here = Span::mixed_site().located_at(self.options.span("if_busy"));
        self.options.skip_if_busy.then(|| quote_spanned!(here=> .or_skip::<#value>()))
    }

    // The type of the value between the angle brackets of a call.
    fn type_argument(&self) -> TokenStream {
        match &self.output.value {
            ReturnValue::Nothing(span) => quote_spanned!(*span=> ()),
            ReturnValue::Never(ty) | ReturnValue::Named(ty) => ty.to_token_stream(),
            ReturnValue::Unnamed(span) => quote_spanned!(*span=> _),
        }
    }

    // The options as a chain of setters: const ones of the site, or those evaluated on each call of
    // the function.
    fn setters(&self, of_site: bool) -> TokenStream {
        let options = self.options;
        // Whether it is const, the option, the method, its argument.
        let mut setters: Vec<(bool, &str, &str, TokenStream)> = Vec::new();
        if let Some(manager) = &options.manager {
            // Printed where the expression is, so that a wrong type is reported there.
            let here = Span::mixed_site().located_at(manager.span());
            setters.push((false, "manager", "manager", quote_spanned!(here=> &(#manager))));
        }
        for (name, duration) in [
            ("ttl", &options.ttl),
            ("wait", &options.wait),
            ("max_hold", &options.max_hold),
            ("linger", &options.linger),
        ] {
            setters.extend(duration.as_ref().map(|duration| match duration {
                DurationArg::Constant(duration) => (true, name, name, self.duration(*duration)),
                DurationArg::Computed(expr) => (false, name, name, expr.to_token_stream()),
            }));
        }
        for (name, switch) in [("renew", &options.renew), ("reenter", &options.reenter)] {
            setters
                .extend(switch.as_ref().map(|value| (true, name, name, value.to_token_stream())));
        }
        let holds_each = matches!(options.hold, Some(HoldBinding::Each(..)));
        for (is_set, is_const, name, method) in [
            (holds_each, true, "hold", "hold_each"),
            (options.finish_on_loss, true, "on_lost", "on_lost_finish"),
            (options.strict_fifo, true, "fairness", "strict_fifo"),
            // This one changes the type of the call.
            (options.wait_for_release, false, "release", "wait_for_release"),
        ] {
            setters.extend(is_set.then(|| (is_const, name, method, TokenStream::new())));
        }
        let setters = setters.into_iter().filter(|(is_const, ..)| *is_const == of_site);
        let setters = setters.map(|(_, option, method, argument)| {
            // The method is where the option is, so that what the compiler says about its argument
            // points there.
            let here = Span::mixed_site().located_at(options.span(option));
            let method = Ident::new(method, here);
            quote_spanned!(here=> .#method(#argument))
        });
        setters.collect()
    }

    // A constant expression of a function of ours: some teams forbid those of the standard library.
    fn duration(&self, duration: Duration) -> TokenStream {
        let private = &self.private;
        if let Ok(millis) = u64::try_from(duration.as_millis())
            && Duration::from_millis(millis) == duration
        {
            let millis = Literal::u64_unsuffixed(millis);
            return quote!(#private::milliseconds(#millis));
        }
        let secs = Literal::u64_unsuffixed(duration.as_secs());
        let nanos = Literal::u32_unsuffixed(duration.subsec_nanos());
        quote!(#private::duration(#secs, #nanos))
    }
}

// Whether these tokens have an `.await`, or a macro that may expand to one.
fn may_await(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == "await",
        TokenTree::Punct(punct) => punct.as_char() == '!',
        TokenTree::Group(group) => may_await(&group.stream()),
        TokenTree::Literal(_) => false,
    })
}
