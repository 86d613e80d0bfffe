#[distributed_lock("numbers", on_error = panic)]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

// ---- expands to ----

fn numbers() -> impl Iterator<Item = u32> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "numbers"),
            "numbers",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call_or_panic(
        site,
        ::core::format_args!("numbers"),
    );
    return call.run(|| { 0..3 });
}
