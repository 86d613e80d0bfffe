//! Attributes that the macro must accept.

use proptest::prelude::*;

use super::one_of;

/// Options that do not contradict each other, each at most once, in any order.
pub(super) fn options() -> impl Strategy<Value = String> {
    let lengths = (length("ttl"), length("wait"), length("max_hold"));
    let words = (
        perhaps(one_of(&["renew = true", "renew = false"])),
        perhaps(one_of(&[
            "release = confirmed",
            "replicas = 1",
            "replicas = \"all\"",
            "replicas = self.replicas",
            "confirm = \"1s\"",
        ])),
        perhaps(prop_oneof![
            some_length("linger"),
            one_of(&["fairness = strict", "min_hold = \"1ns\"", "min_hold = self.ttl"]),
        ]),
        perhaps(one_of(&[
            "if_busy = skip",
            "if_busy = |busy| busy.into()",
            "if_busy = conflict",
            "prefix = \"shop:\"",
            "prefix = \"{id}:\"",
            "prefix = self.tenant",
        ])),
        perhaps(one_of(&[
            "on_error = panic",
            "on_error = |err| Err(err.into())",
            "on_error = |_| 7",
            "on_error = |error: LockError| -> u8 { error.code() }",
            "on_error = crate::handle::<u8>",
            "on_error = self.handler()",
            "on_error = move |_err| None",
        ])),
        perhaps(one_of(&["on_lost = finish"])),
        perhaps(one_of(&["hold = hold", "hold = _h", "hold = r#type", "hold = größe"])),
        perhaps(one_of(&["manager = self.locks", "manager = LOCKS", "manager = locks(1, \"a\")"])),
        perhaps(one_of(&["crate = my_crate::distlock", "crate = distlock", "crate = ::d"])),
    );
    (lengths, words)
        .prop_map(|((a, b, c), (d, e, f, g, h, i, j, k, l))| {
            [a, b, c, d, e, f, g, h, i, j, k, l].into_iter().flatten().collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(|options| options.concat())
}

fn length(name: &'static str) -> impl Strategy<Value = Option<String>> {
    perhaps(some_length(name))
}

fn some_length(name: &'static str) -> impl Strategy<Value = String> {
    one_of(&[
        "\"30s\"",
        "\"250ms\"",
        "\"1m 30s\"",
        "\" 2h\"",
        "r\"1day\"",
        "\"1ns\"",
        "Duration::from_secs(3)",
        "self.ttl",
        "LENGTHS[1]",
        "{ let a = 1; f(a) }",
        "a * 2",
        "if b { c } else { d }",
    ])
    .prop_map(move |value| format!("{name} = {value}"))
}

fn perhaps(text: impl Strategy<Value = String>) -> impl Strategy<Value = Option<String>> {
    prop::option::of(text.prop_map(|text| format!(", {text}")))
}

/// Keys with the arguments of their placeholders.
pub(super) fn keys() -> impl Strategy<Value = String> {
    one_of(&[
        "\"key\"",
        "\"account:{id}\"",
        "\"a{}\", self.id",
        "\"{}:{}\", a, b.c(1, 2)",
        "\"{0}{0}\", x",
        "\"{id:?}\", id = self.id",
        "\"{:>width$}\", 7, width = 3",
        "\"{{{id}}}\"",
        "\"{} {name}\", f(&x), name = { 1 + 2 }",
        "r#\"a\"{id}\"#",
        "\"{}\", \"text\"",
        "\"{:.*}\", 2, x",
        "\"größe:{größe}\"",
        "[\"a\", \"b\"]",
        "[\"a:{from}\", \"a:{to}\",]",
        "[\"x{id}\", \"y{id}\"], id = self.id",
        "[\"one\"]",
        "key = order.lock_key()",
        "key = &self.key",
        "keys = ids.iter().map(|id| id + 1)",
        "keys = [a, b]",
    ])
}

/// All that is between the parentheses.
pub(super) fn arguments() -> impl Strategy<Value = String> {
    (keys(), options(), one_of(&["", ","])).prop_map(|parts| parts.0 + &parts.1 + &parts.2)
}

/// Functions of every kind that can be locked.
pub(super) const FUNCTIONS: &[&str] = &[
    "fn f() -> Result<(), E> { Ok(()) }",
    "fn f() {}",
    "pub fn f(&self, id: u64) -> u8 { self.x(id) }",
    "async fn f<T: Into<String>>(mut t: T) -> Result<T, E> where T: Clone { g(t).await }",
    "pub(crate) unsafe fn f<'a>(&'a mut self, x: &'a str) -> &'a str { x }",
    "fn f(&self) -> impl Future<Output = Result<u8, E>> + Send + '_ { async move { Ok(1) } }",
    "fn f(x: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> { Box::pin(async move { x }) }",
    "fn f(&self) -> BoxFuture<'_, Vec<u8>> { self.g().boxed() }",
    "#[inline]\n/// Text.\nextern \"C\" fn f<const N: usize>([a, ..]: [u8; N]) -> [u8; N] { g!() }",
    "fn f<F>(f: F) -> Option<impl Debug> where F: for<'x> Fn(&'x u8) { #![allow(unused)] None }",
    "default async unsafe fn f(self: Arc<Self>, _: ()) -> Self::Item { loop {} }",
];
