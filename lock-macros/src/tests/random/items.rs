//! Items: functions from a grammar, mutated functions, and items that are no functions.

use proptest::prelude::*;

use super::input::MacroInput;
use super::mutation::mutated;
use super::{one_of, tokens, try_all, valid};

const ATTRS: &[&str] = &[
    "",
    "",
    "#[inline] ",
    "/// Text.\n",
    "#[track_caller] ",
    "#[cfg_attr(a, track_caller)] ",
    "#![inner] ",
    "#[a = \"b\"] #[c::d { e }] ",
];
const QUALIFIERS: &[&str] = &[
    "",
    "",
    "",
    "async ",
    "unsafe ",
    "async unsafe ",
    "extern \"C\" ",
    "const ",
    "default ",
    "unsafe extern ",
    "const async unsafe extern \"C\" ",
    "pub ",
    "pub(in a::b) default async ",
    "safe ",
    "gen ",
    "crate ",
];
const NAMES: &[&str] = &["f", "f", "r#fn", "r#async", "größe", "self", "_", "fn"];
const GENERICS: &[&str] = &[
    "",
    "",
    "<>",
    "<'a>",
    "<'a, 'b: 'a, T>",
    "<T: Into<String> + 'static>",
    "<const N: usize>",
    "<const N: usize = { 1 + 2 }>",
    "<F: Fn(&'a str) -> R>",
    "<T: for<'x> Tr<'x>>",
    "<impl X>",
    "<'a, T: ?Sized + Tr<'a>, #[cfg(a)] U>",
    "<'_>",
    "<'static>",
];
const RECEIVERS: &[&str] = &[
    "",
    "",
    "self, ",
    "&self, ",
    "&mut self, ",
    "&'a self, ",
    "mut self, ",
    "self: Pin<&mut Self>, ",
    "self: &Arc<Self>, ",
    "&'static self, ",
    "#[a] &self, ",
];
const INPUTS: &[&str] = &[
    "",
    "",
    "id: u64",
    "(a, b): (u8, u8), _: ()",
    "[x, ..]: &[u8]",
    "mut v: Vec<T>,",
    "&Point { x, ref y }: &'a Point",
    "f: impl Fn(u8) -> u8 + 'a",
    "#[cfg(x)] y: &'a mut str",
    "x: Box<dyn Fn(u8)>",
    "x: ...",
    "...",
    "x: [u8; { 1 + 2 }]",
    "x: Fn(u8)",
    "u8",
    "x",
    "x: mac!(y)",
    "box x: T",
    "x: T, self",
    "hold: Hold, distlock_call: u8",
    "a: u8 b: u8",
];
const OUTPUTS: &[&str] = &[
    "",
    "",
    "-> ()",
    "-> !",
    "-> R",
    "-> Result<&'a T, E>",
    "-> impl Future<Output = R> + 'a",
    "-> impl Future",
    "-> Pin<Box<dyn Future<Output = R> + Send + '_>>",
    "-> BoxFuture<'a, R>",
    "-> BoxFuture<'static, R>",
    "-> LocalBoxFuture",
    "-> Box<dyn Future<Output = ()>>",
    "-> impl Iterator<Item = impl Fn() -> impl Send>",
    "-> Self::Future",
    "-> S::IntoFuture",
    "-> <S as Service<R>>::Future",
    "-> Pin<Box<impl Future<Output = u8>>>",
    "-> (u8, impl Debug)",
    "-> mac!(x)",
    "-> fn(&'a u8) -> &'a u8",
    "-> [u8; N]",
    "-> _",
    "-> (())",
    "-> Pin<Box>",
    "-> Pin<Box<Future<Output = u8>>>",
    "-> impl Future + Unpin",
    "-> Pin",
    "-> Pin<(u8)>",
    "->",
    "-> Box<(dyn Future<Output = R>)>",
    "-> &'a dyn Fn(&'a u8)",
    "-> impl 'a",
    "-> dyn Future",
    "-> Pin<Box<dyn Future<Output = impl Future<Output = !>>>>",
    "-> impl ?Sized + Future<Item = u8>",
    "-> Pin<'a, 1>",
    "-> impl Future<Output = Self::Future>",
    "-> *const Future",
    "-> ::std::future::Future",
];
const WHERES: &[&str] =
    &["", "", "where T: 'a", "where Self: Sized, for<'x> &'x T: Tr,", "where", "where 'a: 'b"];
const BODIES: &[&str] = &[
    "{}",
    "{}",
    "{ self.x }",
    "{ #![allow(dead_code)] #![a] 1 }",
    "{ loop { return Err(1)?; } }",
    "{ fn inner(&self) { self } }",
    ";",
    "",
    "= 1;",
    "{ 1 } {}",
    "{ async { hold }.await }",
    "{ #! }",
    "{ #![a] }",
    "{ let s = \"}\"; match x { _ => {} } }",
    "()",
    "{ not rust at all; 1 1 }",
];

const OTHERS: &[&str] = &[
    "",
    "struct S;",
    "struct S { a: u8 }",
    "impl A { fn f() {} }",
    "mod m {}",
    "mod m;",
    "trait T { fn f(); }",
    "use a::b;",
    "static X: u8 = 1;",
    "const X: u8 = 1;",
    "const fn f() {}",
    "extern \"C\" { fn x(); }",
    "extern crate a;",
    "|x| x",
    "move || 1",
    "async { 1 }",
    "async move { 1 }",
    "unsafe { 1 }",
    "{ 1 }",
    "(1, 2)",
    "[1]",
    "let x = 1;",
    "macro_rules! m { () => {} }",
    "type A = B;",
    "union U { a: u8 }",
    "x.await",
    "1 + 1",
    "fn",
    "fn f",
    "fn f()",
    "enum E {}",
    "#[a]",
    "#",
    "pub",
    "pub(crate)",
    "default",
    "async",
    "async fn",
    "unsafe extern",
    "impl fn() {}",
    "macro m() {}",
    "auto trait T {}",
    "gen fn f() {}",
    "é",
    "\"text\"",
];

fn function() -> impl Strategy<Value = String> {
    let head = (one_of(ATTRS), one_of(QUALIFIERS), one_of(NAMES), one_of(GENERICS));
    let inputs = (one_of(RECEIVERS), one_of(INPUTS));
    (head, inputs, one_of(OUTPUTS), one_of(WHERES), one_of(BODIES)).prop_map(
        |((attrs, qualifiers, name, generics), (receiver, inputs), output, bounds, body)| {
            let head = format!("{attrs}{qualifiers}fn {name}{generics}({receiver}{inputs})");
            format!("{head} {output} {bounds} {body}")
        },
    )
}

fn any_item() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => function(),
        2 => mutated(function()),
        1 => mutated(one_of(valid::FUNCTIONS)),
        1 => one_of(OTHERS),
        1 => mutated(one_of(OTHERS)),
        1 => tokens::any_tokens(12),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => valid::arguments(),
        1 => tokens::any_tokens(4),
        1 => one_of(&["\"a\", hold = hold, oops", "oops, hold = h", "hold = self, \"{self.x}\""]),
    ]
}

#[test]
fn no_item_makes_the_macro_panic_and_a_refused_item_is_kept() {
    try_all((arguments(), any_item()), |(args, item)| {
        MacroInput::read(&args, &item).map_or(Ok(()), |input| input.check().map(|_| ()))
    });
}

#[test]
fn an_item_from_another_macro_is_locked_or_refused() {
    try_all((arguments(), any_item(), any::<u64>()), |(args, item, bits)| {
        let Some(input) = MacroInput::read(&args, &item) else { return Ok(()) };
        let mut bits = bits;
        input.map_item(|item| tokens::with_invisible_groups(item, &mut bits)).check().map(|_| ())
    });
}
