#[distributed_lock("leader", on_error = panic)]
async fn lead() -> ! {
    loop {
        step().await
    }
}

// ---- expands to ----

async fn lead() -> ! {
    ({
        let distlock_call = ::distlock::__private::call_or_panic(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "lead",
                    "leader",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("leader")],
        );
        distlock_call
    })
        .run_async(move || async move {
            ({
                loop {
                    step().await
                }
            })
        })
        .await
}
