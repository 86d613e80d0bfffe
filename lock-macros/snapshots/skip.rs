#[distributed_lock("nightly", if_busy = skip)]
fn nightly() -> Result<Option<Report>, Error> {
    Report::make().map(Some)
}

// ---- expands to ----

fn nightly() -> Result<Option<Report>, Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<Option<Report>, Error>,
        >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "nightly",
                        "nightly",
                        ::distlock::__private::Options {
                            wait: ::distlock::__private::milliseconds(0),
                            ..::distlock::__private::Options::DEFAULT
                        },
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("nightly")],
            )
            .or_skip::<Result<Option<Report>, Error>>();
        distlock_call
    })
        .run(|| -> Result<Option<Report>, Error> { Report::make().map(Some) });
}
