use distlock::{LockError, distributed_lock};
pub fn open(name: &str) -> Result<usize, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<usize, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::value",
                    "open",
                    "shop:{name.trim()}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[
                format_args!(
                    "{0}{1}", format_args!("shop:"), format_args!("{0}", match
                    ::distlock::__private::key_value(& (name.trim())) { distlock_value =>
                    distlock_value.distlock_key(), })
                ),
            ],
        );
        distlock_call
    })
        .run(|| -> Result<usize, LockError> { Ok(name.len()) });
}
