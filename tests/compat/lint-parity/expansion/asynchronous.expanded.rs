use std::future::ready;
use distlock::{LockError, distributed_lock};
pub async fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<u64, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::asynchronous",
                    "withdraw",
                    "account:{from}",
                    ::distlock::__private::Options {
                        wait: ::distlock::__private::milliseconds(5000),
                        ..::distlock::__private::Options::DEFAULT
                    },
                );
                &LOCKED_FN
            },
            &[format_args!("account:{0}", from)],
        );
        distlock_call
    })
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<u64, LockError>>();
            }
            ({ Ok(ready(from - amount).await) })
        })
        .await;
}
