use distlock::{LockError, distributed_lock};
pub fn nightly() -> Result<Option<u64>, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<Option<u64>, LockError>,
        >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::skipped",
                        "nightly",
                        "nightly",
                        ::distlock::__private::Options {
                            wait: ::distlock::__private::milliseconds(0),
                            ..::distlock::__private::Options::DEFAULT
                        },
                    );
                    &LOCKED_FN
                },
                &[format_args!("nightly")],
            )
            .or_skip::<Result<Option<u64>, LockError>>();
        distlock_call
    })
        .run(|| -> Result<Option<u64>, LockError> { Ok(Some(1)) });
}
