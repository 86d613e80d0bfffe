#[distributed_lock("nightly", if_busy = skip)]
fn nightly() -> Result<Option<Report>, Error> {
    Report::make().map(Some)
}

// ---- expands to ----

fn nightly() -> Result<Option<Report>, Error> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "nightly",
            "nightly",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<Option<Report>, Error>,
    >(distlock_site, ::core::format_args!("nightly"))
        .or_skip::<Result<Option<Report>, Error>>();
    return distlock_call
        .run(|| -> Result<Option<Report>, Error> { Report::make().map(Some) });
}
