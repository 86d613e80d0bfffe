#[distributed_lock("leader", on_error = panic)]
async fn lead() -> ! {
    loop {
        step().await
    }
}

// ---- expands to ----

async fn lead() -> ! {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "lead"),
            "leader",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call_or_panic(
        site,
        ::core::format_args!("leader"),
    );
    call.run_async(async move || -> ! {
            loop {
                step().await
            }
        })
        .await;
}
