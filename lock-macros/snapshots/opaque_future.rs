#[distributed_lock("name:{}", self.id)]
fn name(&self) -> impl Future<Output = Result<String, Error>> + Send {
    async move { self.read().await }
}

// ---- expands to ----

fn name(&self) -> impl Future<Output = Result<String, Error>> + Send {
    const _: () = ();
    async move {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<String, Error>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        ::core::module_path!(),
                        "name",
                        "name:{}",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[::core::format_args!("name:{}", self.id)],
            );
            distlock_call
        })
            .run_async(move || async move {
                ::distlock::__private::make(|| { async move { self.read().await } })
                    .await
            })
            .await
    }
}
