#[distributed_lock("report:{id}", if_busy = conflict, on_error = Status::from)]
fn report(id: u64) -> Status {
    make(id)
}

// ---- expands to ----

fn report(id: u64) -> Status {
    ::distlock::__private::return_probe::<Status>().distlock_is_not_a_future();
    return match ::distlock::__private::split_busy(
        ({
            let distlock_call = ::distlock::__private::try_call(
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
            .run(|| -> Status { make(id) }),
    ) {
        ::core::result::Result::Ok(distlock_value) => distlock_value,
        ::core::result::Result::Err(
            ::distlock::__private::Failed::Busy(distlock_error),
        ) => distlock_error.answer(|distlock_error| conflict(distlock_error)),
        ::core::result::Result::Err(
            ::distlock::__private::Failed::Other(distlock_error),
        ) => distlock_error.answer(|distlock_error| Status::from(distlock_error)),
    };
}
