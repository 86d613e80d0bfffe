#[distributed_lock("report:{id}", if_busy = |busy| Status::busy(&busy))]
async fn report(id: u64) -> Result<Status, Error> {
    make(id).await
}

// ---- expands to ----

async fn report(id: u64) -> Result<Status, Error> {
    return ::distlock::__private::handle_busy(
        ({
            let distlock_call = ::distlock::__private::call_unless_busy::<
                Result<Status, Error>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "report",
                        "report:{id}",
                        ::distlock::__private::Options {
                            wait: ::distlock::__private::milliseconds(0),
                            ..::distlock::__private::Options::DEFAULT
                        },
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("report:{id}")],
            );
            distlock_call
        })
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<Result<Status, Error>>();
                }
                ({ make(id).await })
            })
            .await,
        |busy| Status::busy(&busy),
    );
}
