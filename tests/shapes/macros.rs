//! Locked functions that come out of `macro_rules!`, and bodies that use or define macros.

use std::fmt::Display;
use std::marker::PhantomData;

use distlock::distributed_lock;
use futures::future::BoxFuture;

use super::support::{Error, support};

// 112
macro_rules! typed {
    ($name:ident, $argument:ty => $returned:ty, $awaited:ty) => {
        mod $name {
            use super::*;

            #[distributed_lock("macros:typed")]
            #[allow(clippy::extra_unused_lifetimes, reason = "one of the two types has none")]
            pub(super) fn plain<'a>(value: $argument) -> $returned {
                Ok(value.into())
            }

            #[distributed_lock("macros:typed")]
            pub(super) fn future<'a>(value: $argument) -> $awaited {
                let value = value.to_owned();
                Box::pin(async move { Ok(value.into()) })
            }
        }
    };
}

typed!(text, &'a str => Result<String, Error>, BoxFuture<'a, Result<String, Error>>);
typed!(number, u8 => Result<u32, Error>, BoxFuture<'a, Result<u32, Error>>);

#[tokio::test]
async fn types_made_by_a_macro() {
    support();
    assert_eq!((text::plain("a").ok(), number::plain(1).ok()), (Some("a".to_owned()), Some(1)));
    assert_eq!(text::future("a").await.expect("free"), "a");
    assert_eq!(number::future(1).await.expect("free"), 1);
}

// 113
macro_rules! with_parameter {
    ($parameter:ident: $bound:ident, $lifetime:lifetime) => {
        trait Commands {
            #[allow(async_fn_in_trait, reason = "the shape under test")]
            #[distributed_lock("macros:parameter:{value}")]
            async fn run<$lifetime, $parameter: $bound>(
                &mut self,
                value: &$lifetime $parameter,
            ) -> Result<&$lifetime $parameter, Error> {
                tokio::task::yield_now().await;
                Ok(value)
            }
        }
    };
}

with_parameter!(K: Display, 'k);

impl Commands for () {}

#[tokio::test]
async fn generic_parameters_come_out_of_a_macro() {
    support();
    assert_eq!(*().run(&3).await.expect("free"), 3);
}

// 114
struct Level(u32);

impl Level {
    #[distributed_lock("macros:inside:{}", self.0)]
    async fn inside(&mut self) -> Result<u32, Error> {
        macro_rules! up {
            () => {{
                let this: &mut Self = self;
                this.0 += Self(1).0;
                self.0
            }};
            (early) => {
                if self.0 > 5 {
                    return Err(Error::Own("high"));
                }
            };
        }
        up!(early);
        tokio::task::yield_now().await;
        Ok(up!() + up!())
    }
}

#[tokio::test]
async fn a_macro_inside_the_body_sees_self() {
    support();
    let mut level = Level(4);
    assert_eq!(level.inside().await.expect("free"), 11);
    assert!(level.inside().await.is_err());
}

// 115
macro_rules! keyed {
    (
        $key:literal, $wait:expr, $policy:expr,
        $name:ident($($argument:ident: $ty:ty),*) $body:block
    ) => {
        #[distributed_lock($key, wait = $wait, on_error = $policy)]
        fn $name($($argument: $ty),*) -> Result<u32, String> $body
    };
}

keyed!("macros:keyed:{id}", "5s", panic, keyed(id: u32, by: u32) {
    if by == 0 {
        return Err(format!("{id} by zero"));
    }
    Ok(id / by)
});

#[test]
fn key_settings_and_body_come_out_of_a_macro() {
    support();
    assert_eq!((keyed(4, 2), keyed(4, 0)), (Ok(2), Err("4 by zero".to_owned())));
}

// 116
macro_rules! pair {
    ($left:pat, $right:pat) => {
        ($left, $right)
    };
    ($ty:ty) => {
        ($ty, $ty)
    };
}

#[distributed_lock("macros:pattern:{left}:{right}")]
fn picked(pair!(left, mut right): pair!(u32)) -> Result<pair!(u32), Error> {
    right += left;
    Ok((right, left))
}

#[test]
fn patterns_and_types_of_arguments_are_written_by_macros() {
    support();
    assert_eq!(picked((1, 2)).expect("free"), (3, 1));
}

// 117
macro_rules! method {
    ($this:ident, $name:ident, $key:expr, $body:expr) => {
        #[distributed_lock("macros:method:{}", $key)]
        fn $name(&mut $this) -> Result<u32, Error> {
            $body
        }
    };
}

impl Level {
    method!(self, climb, self.0, {
        self.0 += 1;
        Ok(self.0)
    });
}

#[test]
fn a_method_made_by_a_macro_with_self_from_outside() {
    support();
    assert_eq!(Level(1).climb().expect("free"), 2);
}

// 118
struct Here<const N: usize, T = ()>(PhantomData<T>);

const _: () = {
    impl<const N: usize> Here<N> {
        const NAME: &'static str = "here";
        const SIZE: usize = N * 2;

        #[distributed_lock("macros:{}:{}", Self::NAME, Self::SIZE)]
        fn filled() -> Result<[u8; N], Error> {
            #[distributed_lock("macros:local:{M}")]
            fn local<const M: usize>(value: u8) -> Result<[u8; M], Error> {
                Ok([value; M])
            }
            local::<N>(u8::try_from(Self::SIZE).map_err(|_| Error::Own("large"))?)
        }
    }
};

impl Here<3> {
    const WIDTH: usize = 1 << 2;

    #[distributed_lock("macros:width")]
    async fn width(&self) -> Result<[u8; Self::WIDTH], Error> {
        tokio::task::yield_now().await;
        Ok([7; Self::WIDTH])
    }
}

#[tokio::test]
async fn functions_stand_inside_constants_and_functions() {
    support();
    assert_eq!(Here::<2>::filled().expect("free"), [4, 4]);
    assert_eq!(Here::<3>(PhantomData).width().await.expect("free"), [7, 7, 7, 7]);
}
