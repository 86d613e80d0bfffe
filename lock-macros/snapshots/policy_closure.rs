#[distributed_lock("counter", on_error = |error| error.to_string())]
async fn count() -> String {
    next().await
}

// ---- expands to ----

async fn count() -> String {
    return ::distlock::__private::handle(
        ({
            let distlock_call = ::distlock::__private::try_call(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "count",
                        "counter",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("counter")],
            );
            distlock_call
        })
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
