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
            ::core::module_path!(),
            "name",
            "name:{id}",
        );
        &SITE
    };
    ::std::boxed::Box::pin(async move {
        let call = ::distlock::__private::call::<
            Result<u64, Error>,
        >(site, ::core::format_args!("name:{id}"));
        let body = async move {
            ::distlock::__private::make(|| -> Pin<
                    Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>,
                > {
                    match ::distlock::__private::hold() {
                        hold => Box::pin(async move { Ok(hold.fence()) }),
                    }
                })
                .await
        };
        let body = ::core::pin::pin!(::core::option::Option::Some(body));
        call.run_async(body).await
    })
}
