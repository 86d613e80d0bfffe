#[distributed_lock("numbers")]
async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    Ok(0..3)
}

// ---- expands to ----

async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<_, Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "numbers",
                    "numbers",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("numbers")],
        );
        distlock_call
    })
        .run_async(move || async move {
            if false {
                return ::distlock::__private::never::<Result<_, Error>>();
            }
            ({ Ok(0..3) })
        })
        .await;
}
