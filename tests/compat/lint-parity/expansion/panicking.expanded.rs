use distlock::distributed_lock;
pub fn count() -> u64 {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            "expansion::panicking",
            "count",
            "counter",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call_or_panic(
        distlock_fn,
        &[format_args!("counter")],
    );
    return distlock_call.run(|| -> u64 { 1 });
}
