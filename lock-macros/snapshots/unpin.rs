#[distributed_lock("name:{id}")]
fn name(id: u64) -> impl Future<Output = Result<String, Error>> + Unpin {
    ready(Ok(id.to_string()))
}

// ---- expands to ----

fn name(id: u64) -> impl Future<Output = Result<String, Error>> + Unpin {
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
            Result<String, Error>,
        >(site, ::core::format_args!("name:{id}"));
        call.run_async(async move || {
                ::distlock::__private::make(|| { ready(Ok(id.to_string())) }).await
            })
            .await
    });
}
