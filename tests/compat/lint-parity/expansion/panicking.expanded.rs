use distlock::distributed_lock;
pub fn count() -> u64 {
    return ({
        let distlock_call = ::distlock::__private::call_or_panic(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::panicking",
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
        .run(|| -> u64 { 1 });
}
