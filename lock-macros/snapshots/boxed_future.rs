#[distributed_lock("name:{id}", hold = hold)]
fn name<'a>(id: &'a str) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>> {
    Box::pin(async move { Ok(hold.fence()) })
}

// ---- expands to ----

fn name<'a>(
    id: &'a str,
) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>> {
    ::distlock::__private::Box::pin(async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<u64, Error>,
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
            .run_async_with_hold(move |hold| async move {
                ::distlock::__private::make(|| -> Pin<
                        Box<dyn Future<Output = Result<u64, Error>> + Send + '_>,
                    > { Box::pin(async move { Ok(hold.fence()) }) })
                    .await
            })
            .await
    })
}
