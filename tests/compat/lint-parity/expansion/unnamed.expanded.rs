use std::fmt::Debug;
use distlock::{LockError, distributed_lock};
pub async fn numbers() -> Result<impl Iterator<Item = impl Debug>, LockError> {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            "expansion::unnamed",
            "numbers",
            "numbers",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call::<
        Result<_, LockError>,
    >(distlock_fn, &[format_args!("numbers")]);
    return distlock_call
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<_, LockError>>();
            }
            ({ Ok(0..3) })
        })
        .await;
}
