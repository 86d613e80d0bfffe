#[distributed_lock("name:{}", self.id)]
fn name(&self) -> impl Future<Output = Result<String, Error>> + Send {
    async move { self.read().await }
}

// ---- expands to ----

fn name(&self) -> impl Future<Output = Result<String, Error>> + Send {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "name"),
            "name:{}",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    return async move {
        let call = ::distlock::__private::call::<
            Result<String, Error>,
        >(site, ::core::format_args!("name:{}", self.id));
        call.run_async(async move || {
                ::distlock::__private::make(|| { async move { self.read().await } })
                    .await
            })
            .await
    };
}
