use std::time::Duration;

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, LitBool, LitStr};

use crate::args::Args;
use crate::function::{Function, braces_at};
use crate::key::{KeyArg, KeyPattern, KeySpec, KeyValue};
use crate::options::{DurationArg, HoldBinding, IfBusy, OnError, Options, Prefix, ReplicasArg};
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
    //         return ({
    //             let distlock_call = call::<R>(
    //                 {
    //                     static LOCKED_FN: LockedFn = LockedFn::new(…, "f", "k:{id}", …);
    //                     &LOCKED_FN
    //                 },
    //                 &[format_args!("k:{id}")],
    //             );
    //             distlock_call
    //         }).run(|| -> R { body })
    //     }
    fn sync(&self) -> TokenStream {
        let (check, setup) = (self.future_check(), self.setup());
        let (run, closure) =
            (self.run("run"), self.closure(self.hold(), self.return_type().as_ref()));
        // What the compiler says about the value as a whole, as about its lifetimes, it says about
        // the body.
        let at_body = Span::mixed_site().located_at(self.function.body.span());
        let exit = self.exit(&quote_spanned!(at_body=> #setup.#run(#closure)));
        quote_spanned!(Span::mixed_site()=> #check #exit)
    }

    // Input:
    //     async fn f(id: u64) -> R { body }
    //
    // Output:
    //     async fn f(id: u64) -> R {
    //         return ({
    //             let distlock_call = call::<R>(…, &[format_args!("k:{id}")]);
    //             distlock_call
    //         }).run_async(move || async move {
    //             if false { return never::<R>(); }
    //             ({ body })
    //         }).await
    //     }
    fn asynchronous(&self) -> TokenStream {
        self.run_async(&self.async_block())
    }

    // Input:
    //     fn f(id: u64) -> impl Future<Output = R> { body }
    //
    // Output:
    //     fn f(id: u64) -> impl Future<Output = R> {
    //         async move {
    //             return ({
    //                 let distlock_call = call::<R>(…, &[format_args!("k:{id}")]);
    //                 distlock_call
    //             }).run_async(move || async move {
    //                 make(|| { body }).await
    //             }).await
    //         }
    //     }
    //
    // A `return` in the body returns the future, hence the closure inside. Attributes below ours
    // look for the future at the end of the function, without a `return`, and put code of theirs
    // into its block: so nothing may have to run before the block, and its braces are the user's.
    fn future(&self, return_type: Option<&TokenStream>) -> TokenStream {
        let (here, private) = (Span::mixed_site(), &self.private);
        let closure = self.closure(None, return_type);
        let run = self.run_async(&quote_spanned!(here=> async move {
            #private::make(#closure).await
        }));
        let block = braces_at(self.function.body.span(), run);
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
        let (setup, run, hold) = (self.setup(), self.run("run_async"), self.hold());
        self.exit(&quote_spanned!(Span::mixed_site()=> #setup.#run(move |#hold| #body).await))
    }

    // The method that runs the body, for what the body binds.
    fn run(&self, plain: &str) -> Ident {
        let method = match self.options.hold {
            None => plain.to_owned(),
            Some(HoldBinding { listed: None, .. }) => format!("{plain}_with_hold"),
            Some(HoldBinding { listed: Some(_), .. }) => format!("{plain}_with_holds"),
        };
        Ident::new(&method, Span::mixed_site())
    }

    // The pattern of the closure's argument.
    fn hold(&self) -> Option<&TokenTree> {
        self.options.hold.as_ref().map(|hold| &hold.pattern)
    }

    // `clippy::implicit_return` takes a macro's last expression for the user's. It ignores `()` and
    // `!`, where a `return` would hide a superfluous `-> ()` or be unreachable itself.
    fn exit(&self, run: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let run = self.handled(run);
        match (&self.output.value, &self.output.kind) {
            (ReturnValue::Never(_), FnKind::Sync) => quote_spanned!(here=> #run;),
            (ReturnValue::Never(_), _) => run,
            (value, FnKind::Sync) if value.is_unit() => run,
            _ => quote_spanned!(here=> return #run),
        }
    }

    // What the handlers make of the errors that are theirs.
    //
    // With two of them a `match`, because both may move the same argument.
    fn handled(&self, run: &TokenStream) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let if_busy = self.options.busy_handler().map(callable);
        let on_error = self.options.error_handler().map(callable);
        match (if_busy, on_error) {
            (Some(if_busy), Some(on_error)) => quote_spanned!(here=>
                match #private::split_busy(#run) {
                    ::core::result::Result::Ok(distlock_value) => distlock_value,
                    ::core::result::Result::Err(#private::Failed::Busy(distlock_error)) => {
                        distlock_error.answer(#if_busy)
                    }
                    ::core::result::Result::Err(#private::Failed::Other(distlock_error)) => {
                        distlock_error.answer(#on_error)
                    }
                }
            ),
            (Some(if_busy), None) => quote_spanned!(here=> #private::handle_busy(#run, #if_busy)),
            (None, Some(on_error)) => quote_spanned!(here=> #private::handle(#run, #on_error)),
            (None, None) => run.clone(),
        }
    }

    // The call before its body runs.
    //
    // All in one block, so that the body sees none of its names, and editors offer none of them
    // there. The static is in a block of its own, where the key cannot see its name. The key is
    // rendered in a statement of its own: its temporaries must not live while the body runs, nor
    // across an `.await` in an option, where the future would no longer be `Send`.
    fn setup(&self) -> Group {
        let here = Span::mixed_site();
        let (call, settings) = (self.call(), self.settings());
        let is_mut = (!settings.is_empty()).then(|| quote_spanned!(here=> mut));
        let block = quote_spanned!(here=> {
            let #is_mut distlock_call = #call;
            #settings
            distlock_call
        });
        // The compiler says about the whole call, which begins here, what it says about the body.
        let mut block = Group::new(Delimiter::Parenthesis, block);
        block.set_span(here.located_at(self.function.body.span()));
        block
    }

    // What is known at compile time.
    fn locked_fn(&self) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let name = LitStr::new(&self.function.signature.ident.unraw().to_string(), here);
        let template = LitStr::new(&self.template(), here);
        let constants = self.constants();
        quote_spanned!(here=> {
            static LOCKED_FN: #private::LockedFn = #private::LockedFn::new(
                ::core::module_path!(),
                #name,
                #template,
                #constants,
            );
            &LOCKED_FN
        })
    }

    // The keys as they were written, each with its prefix.
    fn template(&self) -> String {
        let prefix = self.options.prefix.as_ref().map_or_else(String::new, Prefix::text);
        let keys = self.keys.texts().into_iter().map(|key| format!("{prefix}{key}"));
        keys.collect::<Vec<_>>().join(", ")
    }

    // The turbofish are the places where a return type without room for the error, or without a
    // value for a skipped call, is reported.
    fn call(&self) -> TokenStream {
        let (private, here, value) =
            (&self.private, Span::mixed_site(), self.output.value.to_token_stream());
        let unless_busy = matches!(self.options.if_busy, Some(IfBusy::Handle(_)));
        let entry = match &self.options.on_error {
            OnError::Return if unless_busy => quote_spanned!(here=> call_unless_busy::<#value>),
            OnError::Return => quote_spanned!(here=> call::<#value>),
            OnError::Panic if unless_busy => quote_spanned!(here=> call_or_panic_unless_busy),
            OnError::Panic => quote_spanned!(here=> call_or_panic),
            OnError::Handle(_) => quote_spanned!(here=> try_call),
        };
        let (entry, locked_fn) = (quote_spanned!(here=> #private::#entry), self.locked_fn());
        let entry = |keys: TokenStream| quote_spanned!(here=> #entry(#locked_fn, &[#keys]));
        let mut call = match &self.keys.value {
            None if self.keys.is_list => self.call_of_list(entry),
            None => entry(self.key_of_literal()),
            Some(KeyValue::Single(value)) => entry(self.key_of_value(value)),
            // They are set once the call is made.
            Some(KeyValue::List(_)) => entry(TokenStream::new()),
        };
        if self.options.skip() {
            let here = here.located_at(self.options.span("if_busy"));
            call = quote_spanned!(here=> #call.or_skip::<#value>());
        }
        if self.options.have("release") {
            call = quote_spanned!(here=> #call.wait_for_release());
        }
        call
    }

    fn key_of_literal(&self) -> TokenStream {
        let literals = self.keys.patterns.iter().map(|pattern| &pattern.literal);
        let args = self.keys.args.iter().map(|KeyArg { name, value }| match name {
            Some(name) => quote!(#name = #value),
            None => value.to_token_stream(),
        });
        let key = quote!(#(#literals)* #(, #args)*);
        let key = quote_spanned!(Span::mixed_site()=> ::core::format_args!(#key));
        with_prefix(&key, self.prefix().as_ref())
    }

    fn key_of_value(&self, value: &Expr) -> TokenStream {
        let text = self.text_of(value);
        let key = quote_spanned!(Span::mixed_site()=> ::core::format_args!("{}", #text));
        with_prefix(&key, self.prefix().as_ref())
    }

    // The text of a value. The `match` gives the method a receiver at the value, where the compiler
    // then says that it has no text.
    fn text_of(&self, value: &impl ToTokens) -> TokenStream {
        let (private, here) = (&self.private, Span::mixed_site());
        let probe = Ident::new("distlock_value", here.located_at(value.span()));
        let text = quote_spanned!(probe.span()=> #probe.distlock_key());
        quote_spanned!(here=> match #private::key_value(&(#value)) { #probe => #text })
    }

    fn prefix(&self) -> Option<TokenStream> {
        Some(match self.options.prefix.as_ref()? {
            Prefix::Pattern(KeyPattern { literal, .. }) => {
                quote_spanned!(Span::mixed_site()=> ::core::format_args!(#literal))
            }
            Prefix::Computed(value) => self.text_of(value),
        })
    }

    // Input:
    //     #[distributed_lock(["a:{id}", "b:{id}"], id = self.id)]
    //
    // Output:
    //     match (&(self.id),) {
    //         (distlock_key_id,) => call::<R>(…, &[
    //             format_args!("a:{id}", id = *distlock_key_id),
    //             format_args!("b:{id}", id = *distlock_key_id),
    //         ]),
    //     }
    //
    // Named arguments are evaluated before the first key is rendered, in the order they are
    // written: each once, however many keys take it. So no `.await` in one runs while a key is
    // unfinished, which would not be `Send`. So is a prefix that is an expression.
    fn call_of_list(&self, entry: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let binding =
            |name: &Ident, span| format_ident!("distlock_key_{}", name.unraw(), span = span);
        let named = |arg: &'a KeyArg| Some((arg.name.as_ref()?, &arg.value));
        let args: Vec<(&Ident, &Expr)> = self.keys.args.iter().filter_map(named).collect();
        let computed_prefix = match &self.options.prefix {
            Some(Prefix::Computed(value)) => Some(&**value),
            Some(Prefix::Pattern(_)) | None => None,
        };
        let prefix = match computed_prefix {
            Some(value) => {
                let binding = Ident::new("distlock_prefix", here.located_at(value.span()));
                Some(self.text_of(&quote!(*#binding)))
            }
            None => self.prefix(),
        };
        let keys = self.keys.patterns.iter().map(|KeyPattern { literal, placeholders }| {
            let taken = args.iter().filter(|(name, _)| placeholders.mention(name));
            // Printed where the value is, so that a type without a text is reported there.
            let taken = taken.map(|(name, value)| {
                let at_value = here.located_at(value.span());
                let binding = binding(name, at_value);
                quote_spanned!(at_value=> #name = *#binding)
            });
            let key = quote_spanned!(here=> ::core::format_args!(#literal #(, #taken)*));
            with_prefix(&key, prefix.as_ref())
        });
        let call = entry(quote_spanned!(here=> #(#keys),*));
        let prefix = computed_prefix.map(|value| (Ident::new("distlock_prefix", here), value));
        let named = args.iter().map(|(name, value)| (binding(name, here), *value));
        let (bindings, values): (Vec<_>, Vec<_>) = prefix.into_iter().chain(named).unzip();
        if bindings.is_empty() {
            return call;
        }
        quote_spanned!(here=> match (#(&(#values),)*) { (#(#bindings,)*) => #call })
    }

    // Input:
    //     #[distributed_lock("k", wait = "5s", renew = false)]
    //
    // Output:
    //     Options { wait: milliseconds(5000), renew: false, ..Options::DEFAULT }
    fn constants(&self) -> TokenStream {
        let (options, private, here) = (self.options, &self.private, Span::mixed_site());
        let holds_each = options.hold.as_ref().is_some_and(|hold| hold.listed.is_some());
        let durations = options.durations().map(|(name, duration)| match duration {
            DurationArg::Constant(duration) => (*name, Some(self.duration(*duration))),
            DurationArg::Computed(_) => (*name, None),
        });
        let some = |value: &LitBool| quote_spanned!(here=> ::core::option::Option::Some(#value));
        let on = |is_on: bool| is_on.then(|| quote_spanned!(here=> true));
        let switches = [
            ("renew", options.renew.as_ref().map(LitBool::to_token_stream)),
            ("replicas", options.replicas.as_ref().and_then(|replicas| self.replicas(replicas))),
            ("reenter", options.reenter.as_ref().map(some)),
            ("strict_fifo", on(options.have("fairness"))),
            ("finish_when_lost", on(options.have("on_lost"))),
            ("hold_each", on(holds_each)),
        ];
        let fields = durations.chain(switches).filter_map(|(name, value)| {
            let (name, value) = (Ident::new(name, here), value?);
            Some(quote_spanned!(here=> #name: #value,))
        });
        let fields: TokenStream = fields.collect();
        let default = quote_spanned!(here=> #private::Options::DEFAULT);
        if fields.is_empty() {
            return default;
        }
        quote_spanned!(here=> #private::Options { #fields ..#default })
    }

    // The options that each call of the function evaluates, as a statement each. What the compiler
    // says about a type it says at the option, or at its value.
    fn settings(&self) -> TokenStream {
        let (options, here) = (self.options, Span::mixed_site());
        let manager = options.manager.iter().map(|manager| {
            let here = here.located_at(manager.span());
            ("manager", quote_spanned!(here=> &(#manager)))
        });
        let durations = options.durations().filter_map(|(name, duration)| match duration {
            DurationArg::Computed(value) => Some((*name, value.to_token_stream())),
            DurationArg::Constant(_) => None,
        });
        let replicas = options.replicas.iter().filter_map(|replicas| match replicas {
            ReplicasArg::Computed(value) => Some(("replicas", value.to_token_stream())),
            ReplicasArg::Count(_) | ReplicasArg::All => None,
        });
        let settings = manager.chain(durations).chain(replicas).map(|(name, value)| {
            let here = here.located_at(options.span(name));
            let method = Ident::new(name, here);
            quote_spanned!(here=> distlock_call.#method(#value);)
        });
        self.list_of_keys().into_iter().chain(settings).collect()
    }

    // `keys = …`, whose number only the call knows.
    fn list_of_keys(&self) -> Option<TokenStream> {
        let Some(KeyValue::List(list)) = &self.keys.value else { return None };
        let (private, here) = (&self.private, Span::mixed_site());
        let prefix = match (&self.options.prefix, self.prefix()) {
            (Some(Prefix::Computed(_)), Some(text)) => {
                quote_spanned!(here=> ::core::format_args!("{}", #text))
            }
            (_, Some(pattern)) => pattern,
            (_, None) => quote_spanned!(here=> ::core::format_args!("")),
        };
        // At the list, as the text of a single value.
        let probe = Ident::new("distlock_values", here.located_at(list.span()));
        let keys = quote_spanned!(probe.span()=> #probe.distlock_keys);
        Some(quote_spanned!(here=>
            distlock_call.keys(match #private::key_values(#list) { mut #probe => #keys(#prefix) });
        ))
    }

    // A constant expression of a function of ours, as for a duration.
    fn replicas(&self, replicas: &ReplicasArg) -> Option<TokenStream> {
        let private = &self.private;
        match replicas {
            ReplicasArg::Count(count) => {
                let count = Literal::u8_unsuffixed(*count);
                Some(quote!(#private::replicas(#count)))
            }
            ReplicasArg::All => Some(quote!(#private::all_replicas())),
            ReplicasArg::Computed(_) => None,
        }
    }

    // A constant expression of a function of ours: some teams forbid those of the standard library.
    fn duration(&self, duration: Duration) -> TokenStream {
        let private = &self.private;
        let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
        match u64::try_from(duration.as_millis()).map(Literal::u64_unsuffixed) {
            Ok(millis) if nanoseconds % 1_000_000 == 0 => quote!(#private::milliseconds(#millis)),
            _ => {
                let seconds = Literal::u64_unsuffixed(seconds);
                let nanoseconds = Literal::u32_unsuffixed(nanoseconds);
                quote!(#private::duration(#seconds, #nanoseconds))
            }
        }
    }
}

// A function by its path is called in a closure, where one that never returns fits any type.
fn callable(handler: &Expr) -> TokenStream {
    match handler {
        Expr::Path(path) => {
            let here = Span::mixed_site().located_at(path.span());
            quote_spanned!(here=> |distlock_error| #path(distlock_error))
        }
        other => other.to_token_stream(),
    }
}

// The compiler makes one text of constant ones.
fn with_prefix(key: &TokenStream, prefix: Option<&TokenStream>) -> TokenStream {
    match prefix {
        None => key.clone(),
        Some(prefix) => {
            quote_spanned!(Span::mixed_site()=> ::core::format_args!("{}{}", #prefix, #key))
        }
    }
}
