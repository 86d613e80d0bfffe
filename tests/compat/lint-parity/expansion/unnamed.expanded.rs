use std::fmt::Debug;
use distlock::{LockError, distributed_lock};
pub async fn numbers() -> Result<impl Iterator<Item = impl Debug>, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<_, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::unnamed",
                    "numbers",
                    "numbers",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[format_args!("numbers")],
        );
        distlock_call
    })
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<_, LockError>>();
            }
            ({ Ok(0..3) })
        })
        .await;
}
