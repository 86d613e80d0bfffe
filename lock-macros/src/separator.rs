use syn::Token;
use syn::parse::ParseStream;

/// The comma between two parts, or what to write there. `otherwise`: what this place is better told.
pub(crate) fn parse(input: ParseStream<'_>, otherwise: Option<&str>) -> syn::Result<()> {
    if input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
        return if input.peek(Token![,]) {
            Err(input.error("one comma is enough: remove this one"))
        } else {
            Ok(())
        };
    }
    Err(input.error(if input.peek(Token![;]) {
        "write `,` in place of `;`"
    } else {
        otherwise.unwrap_or("a comma is missing: write `,` before this")
    }))
}
