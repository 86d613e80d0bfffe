use std::pin::Pin;
use distlock::{LockError, distributed_lock};
pub fn name(
    id: &str,
) -> Pin<Box<dyn Future<Output = Result<usize, LockError>> + Send + '_>> {
    ::distlock::__private::Box::pin(async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<usize, LockError>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::boxed",
                        "name",
                        "name:{id}",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[format_args!("name:{0}", id)],
            );
            distlock_call
        })
            .run_async(move || async move {
                ::distlock::__private::make(|| -> Pin<
                        Box<dyn Future<Output = Result<usize, LockError>> + Send + '_>,
                    > { Box::pin(async move { Ok(id.len()) }) })
                    .await
            })
            .await
    })
}
