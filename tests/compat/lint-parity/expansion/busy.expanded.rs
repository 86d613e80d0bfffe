use distlock::error::Busy;
use distlock::{LockError, distributed_lock};
pub fn ahead(busy: Busy) -> Result<u64, LockError> {
    Ok(busy.ahead)
}
pub async fn report() -> Result<u64, LockError> {
    return ::distlock::__private::handle_busy(
        ({
            let distlock_call = ::distlock::__private::call_unless_busy::<
                Result<u64, LockError>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::busy",
                        "report",
                        "report",
                        ::distlock::__private::Options {
                            wait: ::distlock::__private::milliseconds(0),
                            ..::distlock::__private::Options::DEFAULT
                        },
                    );
                    &LOCKED_FN
                },
                &[format_args!("report")],
            );
            distlock_call
        })
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<Result<u64, LockError>>();
                }
                ({ Ok(0) })
            })
            .await,
        |distlock_error| ahead(distlock_error),
    );
}
