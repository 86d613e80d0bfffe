use std::pin::Pin;
use distlock::{LockError, distributed_lock};
pub fn name(
    id: &str,
) -> Pin<Box<dyn Future<Output = Result<usize, LockError>> + Send + '_>> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::boxed::name",
            "name:{id}",
            "consumers/twins/expansion/boxed.rs",
            5u32,
        );
        &SITE
    };
    return ::std::boxed::Box::pin(async move {
        let call = ::distlock::__private::call::<
            Result<usize, LockError>,
        >(site, format_args!("name:{0}", id));
        call.run_async(async move || {
                ::distlock::__private::make(|| -> Pin<
                        Box<dyn Future<Output = Result<usize, LockError>> + Send + '_>,
                    > { Box::pin(async move { Ok(id.len()) }) })
                    .await
            })
            .await
    });
}
