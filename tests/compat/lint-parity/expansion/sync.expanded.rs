use distlock::{LockError, distributed_lock};
pub fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::sync",
            "withdraw",
            "account:{from}",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<u64, LockError>,
    >(distlock_site, format_args!("account:{0}", from));
    return distlock_call.run(|| -> Result<u64, LockError> { Ok(from - amount) });
}
