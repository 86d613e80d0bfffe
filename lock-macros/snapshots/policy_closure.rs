#[distributed_lock("counter", on_error = |error| error.to_string())]
async fn count() -> String {
    next().await
}

// ---- expands to ----

async fn count() -> String {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "count",
            "counter",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::try_call(
        distlock_site,
        ::core::format_args!("counter"),
    );
    return ::distlock::__private::handle(
        distlock_call
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<String>();
                }
                ({ next().await })
            })
            .await,
        |error| error.to_string(),
    );
}
