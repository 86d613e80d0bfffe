use std::future::ready;
use distlock::{LockError, distributed_lock};
pub async fn withdraw(from: u64, amount: u64) -> Result<u64, LockError> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                "expansion::asynchronous::withdraw",
                "account:{from}",
                "consumers/twins/expansion/asynchronous.rs",
                5u32,
            )
            .wait(::core::time::Duration::from_millis(5000));
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<u64, LockError>,
    >(site, format_args!("account:{0}", from));
    return call
        .run_async(async move || {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                Result<u64, LockError>,
            > {
                return output;
            }
            ({ Ok(ready(from - amount).await) })
        })
        .await;
}
