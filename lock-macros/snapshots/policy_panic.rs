#[distributed_lock("numbers", on_error = panic)]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

// ---- expands to ----

fn numbers() -> impl Iterator<Item = u32> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "numbers",
            "numbers",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call_or_panic(
        distlock_site,
        ::core::format_args!("numbers"),
    );
    return distlock_call.run(|| { 0..3 });
}
