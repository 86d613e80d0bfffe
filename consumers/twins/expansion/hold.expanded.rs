use distlock::{Fence, LockError, distributed_lock};
pub async fn fence(from: u64) -> Result<Fence, LockError> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::hold::fence",
            "account:{from}",
            "consumers/twins/expansion/hold.rs",
            3u32,
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<Fence, LockError>,
    >(site, format_args!("account:{0}", from));
    return call
        .run_async_with_hold(async move |hold| {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                Result<Fence, LockError>,
            > {
                return output;
            }
            ({ Ok(hold.fence()) })
        })
        .await;
}
