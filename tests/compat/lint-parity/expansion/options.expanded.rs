use std::time::Duration;
use distlock::{LockError, distributed_lock};
pub fn report(name: &str, day: u32, patience: Duration) -> Result<usize, LockError> {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                "expansion::options",
                "report",
                "report:{}:{year}",
            )
            .ttl(::distlock::__private::milliseconds(30000))
            .max_hold(::distlock::__private::duration(60, 500000))
            .renew(false)
            .on_lost_finish();
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call::<
        Result<usize, LockError>,
    >(distlock_fn, format_args!("report:{0}:{1}", name.trim(), day / 365))
        .wait(patience)
        .wait_for_release();
    return distlock_call.run(|| -> Result<usize, LockError> { Ok(name.len()) });
}
