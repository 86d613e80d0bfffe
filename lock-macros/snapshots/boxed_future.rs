#[distributed_lock("name:{id}", hold = hold)]
fn name<'a>(id: &'a str) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>> {
    Box::pin(async move { Ok(hold.fence()) })
}

// ---- expands to ----

fn name<'a>(
    id: &'a str,
) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "name"),
            "name:{id}",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    return ::std::boxed::Box::pin(async move {
        let call = ::distlock::__private::call::<
            Result<u64, Error>,
        >(site, ::core::format_args!("name:{id}"));
        call.run_async_with_hold(async move |hold| {
                ::distlock::__private::make(|| -> Pin<
                        Box<dyn Future<Output = Result<u64, Error>> + Send + '_>,
                    > { Box::pin(async move { Ok(hold.fence()) }) })
                    .await
            })
            .await
    });
}
