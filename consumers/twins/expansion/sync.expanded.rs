use distlock::{LockError, distributed_lock};
pub fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::sync::withdraw",
            "account:{from}",
            "consumers/twins/expansion/sync.rs",
            3u32,
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<u64, LockError>,
    >(site, format_args!("account:{0}", from));
    return call.run(|| -> Result<u64, LockError> { Ok(from - amount) });
}
