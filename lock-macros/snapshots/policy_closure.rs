#[distributed_lock("counter", on_error = |error| error.to_string())]
async fn count() -> String {
    next().await
}

// ---- expands to ----

async fn count() -> String {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "count"),
            "counter",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::try_call(site, ::core::format_args!("counter"));
    return call
        .run_async(async move || {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                String,
            > {
                return output;
            }
            ({ next().await })
        })
        .await
        .unwrap_or_else(|error| error.to_string());
}
