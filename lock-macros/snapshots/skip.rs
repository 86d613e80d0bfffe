#[distributed_lock("nightly", if_busy = skip)]
fn nightly() -> Result<Option<Report>, Error> {
    Report::make().map(Some)
}

// ---- expands to ----

fn nightly() -> Result<Option<Report>, Error> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "nightly"),
            "nightly",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<Option<Report>, Error>,
    >(site, ::core::format_args!("nightly"))
        .or_skip::<Result<Option<Report>, Error>>();
    return call.run(|| -> Result<Option<Report>, Error> { Report::make().map(Some) });
}
