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
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "sell"),
            "item:{item}",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    return ::std::boxed::Box::pin(async move {
        let call = ::distlock::__private::call::<
            Result<(), Error>,
        >(site, ::core::format_args!("item:{item}"));
        call.run_async(async move || {
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
    });
}
