use distlock::{LockError, distributed_lock};
pub fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<u64, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::sync",
                    "withdraw",
                    "account:{from}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[format_args!("account:{0}", from)],
        );
        distlock_call
    })
        .run(|| -> Result<u64, LockError> { Ok(from - amount) });
}
