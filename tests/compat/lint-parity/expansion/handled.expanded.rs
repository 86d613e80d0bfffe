use distlock::distributed_lock;
pub async fn count(text: String) -> String {
    return ::distlock::__private::handle(
        ({
            let distlock_call = ::distlock::__private::try_call(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::handled",
                        "count",
                        "counter",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[format_args!("counter")],
            );
            distlock_call
        })
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
