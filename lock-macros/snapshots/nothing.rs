#[distributed_lock("tick", on_error = panic)]
fn tick() {
    step()
}

// ---- expands to ----

fn tick() {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "tick"),
            "tick",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call_or_panic(site, ::core::format_args!("tick"));
    call.run(|| -> () { step() })
}
