//! One source, two crates: with the feature `locked` every function carries the attribute, without
//! it none does.
//!
//! Most of it is written badly on purpose: what the compiler and clippy say of it must not depend
//! on the attribute.

mod asynchronous;
mod bodies;
mod drops;
mod forbidden;
mod futures;
mod generics;
mod methods;
mod names;
mod operators;
mod pages;
mod restrictions;
mod signatures;
mod style;
mod traits;
mod unsafety;
mod unused;

pub use asynchronous::*;
pub use bodies::*;
pub use drops::*;
pub use forbidden::*;
pub use futures::*;
pub use generics::*;
pub use methods::*;
pub use names::*;
pub use operators::*;
pub use pages::*;
pub use restrictions::*;
pub use signatures::*;
pub use style::*;
pub use traits::*;
pub use unsafety::*;
pub use unused::*;

use distlock::LockError;

pub type Answer<T = ()> = Result<T, LockError>;
