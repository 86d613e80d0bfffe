use std::future::ready;
use distlock::{LockError, distributed_lock};
pub fn name(id: u64) -> impl Future<Output = Result<String, LockError>> + Send {
    const _: () = ();
    async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<String, LockError>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::future",
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
                ::distlock::__private::make(|| { ready(Ok(id.to_string())) }).await
            })
            .await
    }
}
