#[distributed_lock("tick", on_error = panic)]
fn tick() {
    step()
}

// ---- expands to ----

fn tick() {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "tick",
            "tick",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call_or_panic(
        distlock_site,
        ::core::format_args!("tick"),
    );
    distlock_call.run(|| -> () { step() })
}
