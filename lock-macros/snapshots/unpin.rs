#[distributed_lock("name:{id}")]
fn name(id: u64) -> impl Future<Output = Result<String, Error>> + Unpin {
    ready(Ok(id.to_string()))
}

// ---- expands to ----

fn name(id: u64) -> impl Future<Output = Result<String, Error>> + Unpin {
    ::distlock::__private::Box::pin(async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<String, Error>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "name",
                        "name:{id}",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("name:{id}")],
            );
            distlock_call
        })
            .run_async(move || async move {
                ::distlock::__private::make(|| { ready(Ok(id.to_string())) }).await
            })
            .await
    })
}
