use std::future::ready;
use distlock::{LockError, distributed_lock};
pub async fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                "expansion::asynchronous",
                "withdraw",
                "account:{from}",
            )
            .wait(::distlock::__private::milliseconds(5000));
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<u64, LockError>,
    >(distlock_site, format_args!("account:{0}", from));
    return distlock_call
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<u64, LockError>>();
            }
            ({ Ok(ready(from - amount).await) })
        })
        .await;
}
