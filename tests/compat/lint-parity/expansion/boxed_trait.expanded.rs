use async_trait::async_trait;
use distlock::{LockError, distributed_lock};
pub struct Shop;
pub trait Sell {
    #[allow(
        elided_named_lifetimes,
        clippy::type_complexity,
        clippy::type_repetition_in_bounds
    )]
    fn sell<'life0, 'life1, 'async_trait>(
        &'life0 self,
        item: &'life1 str,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = Result<usize, LockError>,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait;
}
impl Sell for Shop {
    #[allow(
        elided_named_lifetimes,
        clippy::async_yields_async,
        clippy::diverging_sub_expression,
        clippy::let_unit_value,
        clippy::needless_arbitrary_self_type,
        clippy::no_effect_underscore_binding,
        clippy::shadow_same,
        clippy::type_complexity,
        clippy::type_repetition_in_bounds,
        clippy::used_underscore_binding
    )]
    fn sell<'life0, 'life1, 'async_trait>(
        &'life0 self,
        item: &'life1 str,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = Result<usize, LockError>,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        ::distlock::__private::Box::pin(async move {
            return ({
                let distlock_call = ::distlock::__private::call::<
                    Result<usize, LockError>,
                >(
                    {
                        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                            "expansion::boxed_trait",
                            "sell",
                            "item:{item}",
                            ::distlock::__private::Options::DEFAULT,
                        );
                        &LOCKED_FN
                    },
                    &[format_args!("item:{0}", item)],
                );
                distlock_call
            })
                .run_async(move || async move {
                    ::distlock::__private::make(|| -> ::core::pin::Pin<
                            Box<
                                dyn ::core::future::Future<
                                    Output = Result<usize, LockError>,
                                > + ::core::marker::Send + 'async_trait,
                            >,
                        > {
                            Box::pin(async move {
                                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                                    Result<usize, LockError>,
                                > {
                                    #[allow(unreachable_code)] return __ret;
                                }
                                let __self = self;
                                let __ret: Result<usize, LockError> = { Ok(item.len()) };
                                #[allow(unreachable_code)] __ret
                            })
                        })
                        .await
                })
                .await
        })
    }
}
