//! `#[distributed_locks(…)]`: options for all functions of an `impl`, a `trait` or a `mod`.
//!
//! It adds them, marked, to the arguments of each `#[distributed_lock(…)]` inside, which takes over
//! those that it does not have itself. Of the item it reads only what tells functions from the
//! items that contain some; bodies stay as they are.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::{Result, Signature};

use crate::args::comma;
use crate::errors;
use crate::options::Options;
use crate::output::find_ident;

/// Before the options that a function takes over, in braces.
const DEFAULTS: &str = "distlock_defaults";
/// In place of those, if they were refused: the error has been reported.
const REFUSED: &str = "distlock_refused";

pub(crate) fn expand(args: &TokenStream, item: TokenStream) -> TokenStream {
    match try_expand(args, item.clone()) {
        Ok(output) => output,
        Err(error) => {
            let error = errors::compile_error(&error);
            let item = Marker::new(REFUSED, &TokenStream::new()).mark_items(item);
            quote!(#error #item)
        }
    }
}

pub(crate) fn try_expand(args: &TokenStream, item: TokenStream) -> Result<TokenStream> {
    let word = container(&item)?;
    parse.parse2(args.clone())?.check_each_other()?;
    let mut marker = Marker::new(DEFAULTS, args);
    let output = marker.mark_items(item);
    if marker.count == 0 {
        return Err(errors::defaults_for_nothing(word.span(), word));
    }
    Ok(output)
}

fn parse(input: ParseStream<'_>) -> Result<Options> {
    if input.is_empty() {
        return Err(errors::no_defaults(Span::call_site()));
    }
    let mut options = Options::default();
    while !input.is_empty() {
        let at = errors::next_token(input);
        match input.fork().parse::<TokenTree>()? {
            TokenTree::Ident(name) if name == "hold" => return Err(errors::hold_in_defaults(at)),
            TokenTree::Ident(name) if name == "key" || name == "keys" => {
                return Err(errors::key_in_defaults(at));
            }
            TokenTree::Ident(_) => options.parse_one(input)?,
            _ => return Err(errors::key_in_defaults(at)),
        }
        if !input.is_empty() {
            comma(input)?;
        }
    }
    Ok(options)
}

/// What `#[distributed_locks(…)]` adds to the arguments of a function.
pub(crate) struct Defaults {
    /// The options of the innermost item come first.
    options: Vec<TokenStream>,
    pub(crate) are_refused: bool,
}

impl Defaults {
    /// Takes them from the end of the arguments.
    pub(crate) fn take(args: TokenStream) -> (TokenStream, Self) {
        let mut trees: Vec<TokenTree> = args.into_iter().collect();
        let mut defaults = Self { options: Vec::new(), are_refused: false };
        while let [.., TokenTree::Ident(name), TokenTree::Group(options)] = &trees[..] {
            if name == REFUSED {
                defaults.are_refused = true;
            } else if name == DEFAULTS {
                defaults.options.push(options.stream());
            } else {
                break;
            }
            trees.truncate(trees.len() - 2);
        }
        (trees.into_iter().collect(), defaults)
    }

    /// The options, of which a function without `self` can take over no more than mention none.
    pub(crate) fn parse(self, own: &Options, signature: &Signature) -> Result<Vec<Options>> {
        let mut parsed = Vec::<Options>::new();
        for tokens in self.options {
            let options = parse.parse2(tokens.clone())?;
            let taken =
                |name: &str| !own.have(name) && !parsed.iter().any(|inner| inner.have(name));
            if signature.receiver().is_none()
                && let Some(option) = needs_self(tokens, taken)
            {
                return Err(errors::default_needs_self(&signature.ident, option));
            }
            parsed.push(options);
        }
        Ok(parsed)
    }
}

// The first option whose value mentions `self`, of those that are taken over.
fn needs_self(options: TokenStream, taken: impl Fn(&str) -> bool) -> Option<Ident> {
    let trees: Vec<TokenTree> = options.into_iter().collect();
    let mut current = None;
    for option in trees.split(|tree| matches!(tree, TokenTree::Punct(p) if p.as_char() == ',')) {
        // A comma may also be inside a value.
        if let [TokenTree::Ident(name), TokenTree::Punct(equals), ..] = option
            && equals.as_char() == '='
        {
            current = Some(name);
        }
        let value = option.iter().cloned().collect();
        if let Some(name) = current
            && taken(&name.to_string())
            && find_ident(value, "self").is_some()
        {
            return Some(name.clone());
        }
    }
    None
}

/// Adds to the arguments of each `#[distributed_lock(…)]`, and counts them.
struct Marker {
    addition: TokenStream,
    count: usize,
}

impl Marker {
    fn new(name: &str, options: &TokenStream) -> Self {
        let name = Ident::new(name, Span::mixed_site());
        Self { addition: quote!(#name { #options }), count: 0 }
    }

    /// The attributes of these items, and of the items inside them.
    fn mark_items(&mut self, items: TokenStream) -> TokenStream {
        let trees: Vec<TokenTree> = items.into_iter().collect();
        // The word that says what the current item is.
        let mut kind: Option<String> = None;
        let mut marked = Vec::with_capacity(trees.len());
        for (index, tree) in trees.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| trees.get(before));
            marked.push(match tree {
                TokenTree::Group(group) => match group.delimiter() {
                    Delimiter::Bracket if kind.is_none() && is_punct(before, '#') => {
                        self.inside(group, Self::mark_attribute)
                    }
                    Delimiter::Brace => {
                        let marked = match kind.as_deref() {
                            Some("impl" | "trait" | "mod") => self.inside(group, Self::mark_items),
                            _ => tree.clone(),
                        };
                        // Braces may also be inside the generics: `impl Trait<{ N }> for T`.
                        if !continues_item(trees.get(index + 1)) {
                            kind = None;
                        }
                        marked
                    }
                    // Items that passed through `macro_rules!`.
                    Delimiter::None if kind.is_none() => self.inside(group, Self::mark_items),
                    _ => tree.clone(),
                },
                TokenTree::Ident(word) if kind.is_none() => {
                    kind = item_kind(word);
                    tree.clone()
                }
                TokenTree::Punct(end) if end.as_char() == ';' => {
                    kind = None;
                    tree.clone()
                }
                other => other.clone(),
            });
        }
        marked.into_iter().collect()
    }

    // `distributed_lock("key")`, `distlock::distributed_lock("key")`, and inside `cfg_attr`.
    fn mark_attribute(&mut self, attribute: TokenStream) -> TokenStream {
        let mut word = String::new();
        let marked = attribute.into_iter().map(|tree| match tree {
            TokenTree::Ident(name) => {
                word = name.to_string();
                TokenTree::Ident(name)
            }
            TokenTree::Group(group) => match mem::take(&mut word).as_str() {
                "distributed_lock" => {
                    self.count += 1;
                    let (own, addition) = (group.stream(), &self.addition);
                    regroup(&group, quote!(#own #addition))
                }
                "cfg_attr" => self.inside(&group, Self::mark_attribute),
                _ => TokenTree::Group(group),
            },
            other => {
                word.clear();
                other
            }
        });
        marked.collect()
    }

    // A group without an attribute of ours keeps its very tokens.
    fn inside(
        &mut self,
        group: &Group,
        mark: fn(&mut Self, TokenStream) -> TokenStream,
    ) -> TokenTree {
        let before = self.count;
        let marked = mark(self, group.stream());
        if self.count == before {
            return TokenTree::Group(group.clone());
        }
        regroup(group, marked)
    }
}

fn regroup(group: &Group, tokens: TokenStream) -> TokenTree {
    let mut regrouped = Group::new(group.delimiter(), tokens);
    regrouped.set_span(group.span());
    TokenTree::Group(regrouped)
}

fn is_punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn continues_item(next: Option<&TokenTree>) -> bool {
    matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() != '#')
}

// What an item is, by one of its words: `pub`, `unsafe`, `async` and the like may come before it.
fn item_kind(word: &Ident) -> Option<String> {
    const KINDS: &str = "enum fn impl macro_rules mod static struct trait type union use";
    let word = word.to_string();
    KINDS.split(' ').any(|kind| kind == word).then_some(word)
}

// `impl`, `trait` or `mod`, if the item is one that has its body here.
fn container(item: &TokenStream) -> Result<Ident> {
    let trees = || item.clone().into_iter();
    let word = trees().find_map(|tree| match tree {
        TokenTree::Ident(word) if item_kind(&word).is_some() => Some(word),
        _ => None,
    });
    let has_body = trees().any(
        |tree| matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
    );
    match word {
        Some(word) if word != "impl" && word != "trait" && word != "mod" => Err(if word == "fn" {
            errors::defaults_on_function(item)
        } else {
            errors::defaults_on_item(item)
        }),
        Some(word) if has_body => Ok(word),
        Some(_) => Err(errors::defaults_without_body(item)),
        None => Err(errors::defaults_on_item(item)),
    }
}
