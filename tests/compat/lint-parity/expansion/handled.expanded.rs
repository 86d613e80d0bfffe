use distlock::distributed_lock;
pub async fn count(text: String) -> String {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            "expansion::handled",
            "count",
            "counter",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::try_call(
        distlock_fn,
        &[format_args!("counter")],
    );
    return ::distlock::__private::handle(
        distlock_call
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<String>();
                }
                ({ text + "1" })
            })
            .await,
        |error| error.to_string(),
    );
}
