use std::fmt::Debug;
use distlock::{LockError, distributed_lock};
pub async fn numbers() -> Result<impl Iterator<Item = impl Debug>, LockError> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::unnamed",
            "numbers",
            "numbers",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<_, LockError>,
    >(distlock_site, format_args!("numbers"));
    return distlock_call
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<_, LockError>>();
            }
            ({ Ok(0..3) })
        })
        .await;
}
