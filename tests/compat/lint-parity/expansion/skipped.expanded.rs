use distlock::{LockError, distributed_lock};
pub fn nightly() -> Result<Option<u64>, LockError> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::skipped",
            "nightly",
            "nightly",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<Option<u64>, LockError>,
    >(distlock_site, format_args!("nightly"))
        .or_skip::<Result<Option<u64>, LockError>>();
    return distlock_call.run(|| -> Result<Option<u64>, LockError> { Ok(Some(1)) });
}
