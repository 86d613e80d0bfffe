use std::time::Duration;
use distlock::{LockError, distributed_lock};
pub fn report(name: &str, day: u32, patience: Duration) -> Result<usize, LockError> {
    return ({
        let mut distlock_call = ::distlock::__private::call::<
            Result<usize, LockError>,
        >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::options",
                        "report",
                        "report:{}:{year}",
                        ::distlock::__private::Options {
                            ttl: ::distlock::__private::milliseconds(30000),
                            max_hold: ::distlock::__private::duration(60, 500000),
                            renew: false,
                            finish_when_lost: true,
                            ..::distlock::__private::Options::DEFAULT
                        },
                    );
                    &LOCKED_FN
                },
                &[format_args!("report:{0}:{1}", name.trim(), day / 365)],
            )
            .wait_for_release();
        distlock_call.wait(patience);
        distlock_call
    })
        .run(|| -> Result<usize, LockError> { Ok(name.len()) });
}
