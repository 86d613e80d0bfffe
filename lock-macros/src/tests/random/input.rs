use std::collections::HashSet;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::fail;
use crate::function::Function;

/// Arguments and an item, as the compiler would pass them.
#[derive(Clone, Debug)]
pub(super) struct MacroInput {
    args: TokenStream,
    item: TokenStream,
}

/// The range of a token or an error.
type Bytes = (usize, usize);

impl MacroInput {
    /// Parses both as one text, so that each token has a location of its own. `None` if the
    /// compiler would reject the text before it calls the macro.
    pub(super) fn read(args: &str, item: &str) -> Option<Self> {
        let text: TokenStream = format!("({args}\n) {item}").parse().ok()?;
        let mut trees = text.into_iter();
        match trees.next() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                Some(Self { args: group.stream(), item: trees.collect() })
            }
            _ => None,
        }
    }

    pub(super) fn map_args(self, map: impl FnOnce(TokenStream) -> TokenStream) -> Self {
        Self { args: map(self.args), ..self }
    }

    pub(super) fn map_item(self, map: impl FnOnce(TokenStream) -> TokenStream) -> Self {
        Self { item: map(self.item), ..self }
    }

    /// Whether the macro accepts it; an error if the macro breaks one of its rules.
    pub(super) fn check(&self) -> Result<bool, TestCaseError> {
        let output = self.output();
        if output.to_string() != self.output().to_string() {
            return Err(fail("the same input has two outputs"));
        }
        if self.is_item() && syn::parse2::<syn::File>(output.clone()).is_err() {
            return Err(fail(format!("the output cannot be read: {output}")));
        }
        match crate::try_expand(self.args.clone(), self.item.clone()) {
            Ok(_) => self.check_accepted(&output).map(|()| true),
            Err(error) => self.check_refused(&error, &output).map(|()| false),
        }
    }

    fn output(&self) -> TokenStream {
        crate::expand_or_error(self.args.clone(), self.item.clone())
    }

    fn is_item(&self) -> bool {
        syn::parse2::<syn::Item>(self.item.clone()).is_ok()
    }

    fn check_accepted(&self, output: &TokenStream) -> TestCaseResult {
        let text = output.to_string();
        if text.starts_with(ERROR) {
            return Err(fail("the output of accepted input is an error"));
        }
        let function = Function::parse(self.item.clone()).map_err(|_| fail("not a function"))?;
        let (head, body) = (function.head.to_string(), function.body.stream().to_string());
        if text.starts_with(&head) && text.contains(&body) {
            Ok(())
        } else {
            Err(fail(format!("the function is not in the output: {output}")))
        }
    }

    fn check_refused(&self, error: &syn::Error, output: &TokenStream) -> TestCaseResult {
        for error in error.clone() {
            let message = error.to_string();
            if message.trim().is_empty() || message.ends_with('.') {
                return Err(fail(format!("not a message in our style: {message:?}")));
            }
            self.check_location(error.span()).map_err(|why| fail(format!("{why}: {message}")))?;
        }
        let text = output.to_string();
        if !text.starts_with(ERROR) {
            return Err(fail(format!("the output does not begin with the error: {text}")));
        }
        self.check_kept(&text)
    }

    /// A refused item is still complete.
    fn check_kept(&self, output: &str) -> TestCaseResult {
        let item = self.item.to_string();
        let kept = match Function::read(self.item.clone()) {
            Ok(function) => {
                output.contains(&function.head.to_string())
                    && output.contains(&function.body.stream().to_string())
            }
            Err(_) => output.ends_with(&item) || !self.is_item(),
        };
        if kept { Ok(()) } else { Err(fail(format!("the item is lost: {output}"))) }
    }

    /// On tokens of the input, or on the whole attribute.
    fn check_location(&self, span: Span) -> Result<(), &'static str> {
        let (start, end) = bytes(span);
        let mut ranges = HashSet::new();
        collect(&self.args, &mut ranges);
        collect(&self.item, &mut ranges);
        let on_tokens = ranges.iter().any(|&(begin, _)| begin == start)
            && ranges.iter().any(|&(_, stop)| stop == end);
        if on_tokens || (start, end) == bytes(Span::call_site()) {
            Ok(())
        } else {
            Err("the error is not on a token")
        }
    }
}

const ERROR: &str = ":: core :: compile_error !";

fn bytes(span: Span) -> Bytes {
    let range = span.byte_range();
    (range.start, range.end)
}

fn collect(tokens: &TokenStream, ranges: &mut HashSet<Bytes>) {
    for tree in tokens.clone() {
        ranges.insert(bytes(tree.span()));
        if let TokenTree::Group(group) = tree {
            ranges.insert(bytes(group.span_open()));
            ranges.insert(bytes(group.span_close()));
            collect(&group.stream(), ranges);
        }
    }
}
