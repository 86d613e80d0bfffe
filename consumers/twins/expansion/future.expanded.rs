use std::future::ready;
use distlock::{LockError, distributed_lock};
pub fn name(id: u64) -> impl Future<Output = Result<String, LockError>> + Send {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::future::name",
            "name:{id}",
            "consumers/twins/expansion/future.rs",
            5u32,
        );
        &SITE
    };
    return async move {
        let call = ::distlock::__private::call::<
            Result<String, LockError>,
        >(site, format_args!("name:{0}", id));
        call.run_async(async move || {
                ::distlock::__private::make(|| { ready(Ok(id.to_string())) }).await
            })
            .await
    };
}
