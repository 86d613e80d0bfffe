use distlock::{Fence, LockError, distributed_lock};
pub async fn fence(from: u64) -> Result<Fence, LockError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<Fence, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::hold",
                    "fence",
                    "account:{from}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[format_args!("account:{0}", from)],
        );
        distlock_call
    })
        .run_async_with_hold(move |hold| async move {
            if false {
                return ::distlock::__private::never::<Result<Fence, LockError>>();
            }
            ({ Ok(hold.fence()) })
        })
        .await;
}
