#[distributed_lock("item:{item}")]
fn sell<'life0, 'async_trait>(
    &'life0 self,
    item: u64,
) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<(), Error>> + ::core::marker::Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move { self.take(item).await })
}

// ---- expands to ----

fn sell<'life0, 'async_trait>(
    &'life0 self,
    item: u64,
) -> ::core::pin::Pin<
    Box<
        dyn ::core::future::Future<
            Output = Result<(), Error>,
        > + ::core::marker::Send + 'async_trait,
    >,
>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    ::distlock::__private::Box::pin(async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<(), Error>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "sell",
                        "item:{item}",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("item:{item}")],
            );
            distlock_call
        })
            .run_async(move || async move {
                ::distlock::__private::make(|| -> ::core::pin::Pin<
                        Box<
                            dyn ::core::future::Future<
                                Output = Result<(), Error>,
                            > + ::core::marker::Send + 'async_trait,
                        >,
                    > { Box::pin(async move { self.take(item).await }) })
                    .await
            })
            .await
    })
}
