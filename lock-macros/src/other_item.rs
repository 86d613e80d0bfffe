use proc_macro2::Span;
use syn::Ident;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;

/// What the attribute stands on when that does not read as a function, and where it would go instead.
pub(crate) fn not_a_function(item: ParseStream<'_>, error: &syn::Error) -> syn::Error {
    let word = item.fork().call(Ident::parse_any).map(|word| word.to_string()).unwrap_or_default();
    let where_to = match word.as_str() {
        "fn" => return unreadable(error.span()),
        "async" | "unsafe" | "extern" | "const" if has_fn(item) && !is_gen(item) => {
            return unreadable(error.span());
        }
        "gen" => return generates(item.span()),
        "async" if is_gen(item) => return generates(item.span()),
        "impl" | "trait" | "mod" => format!("put it on the functions inside this `{word}`"),
        "struct" | "enum" | "union" | "use" | "static" | "const" | "type" | "extern" => {
            format!("put it on a `fn`, not on this `{word}`")
        }
        _ => "make this a `fn`, or take the lock by hand with `LockManager::mutex`".to_owned(),
    };
    syn::Error::new(item.span(), format!("`#[distributed_lock]` locks a function: {where_to}"))
}

/// A function that is not written to its end yet, or in a grammar that our parser leaves out: `Fn(u8)` for `dyn Fn(u8)`
/// before edition 2021.
pub(crate) fn unreadable(at: Span) -> syn::Error {
    let message = "`#[distributed_lock]` cannot read this signature: finish it up to here, and write trait objects with `dyn`";
    syn::Error::new(at, message)
}

fn generates(at: Span) -> syn::Error {
    let message = "a generator cannot be locked, because it runs on after it has returned: lock the function that drains it";
    syn::Error::new(at, message)
}

// `async gen fn`
fn is_gen(item: ParseStream<'_>) -> bool {
    let ahead = item.fork();
    let mut words = std::iter::from_fn(|| ahead.call(Ident::parse_any).ok());
    words.by_ref().take_while(|word| word != "fn").any(|word| word == "gen")
}

fn has_fn(item: ParseStream<'_>) -> bool {
    let ahead = item.fork();
    std::iter::from_fn(|| ahead.parse::<proc_macro2::TokenTree>().ok())
        .any(|tree| matches!(tree, proc_macro2::TokenTree::Ident(word) if word == "fn"))
}
