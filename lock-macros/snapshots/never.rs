#[distributed_lock("leader", on_error = panic)]
async fn lead() -> ! {
    loop {
        step().await
    }
}

// ---- expands to ----

async fn lead() -> ! {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "lead",
            "leader",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call_or_panic(
        distlock_site,
        ::core::format_args!("leader"),
    );
    distlock_call
        .run_async(move || async move {
            ({
                loop {
                    step().await
                }
            })
        })
        .await
}
