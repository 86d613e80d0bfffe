#[distributed_lock("key")]
fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let value = 1;
    Ok(())
}

// ---- expands to ----

fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "run"),
            "key",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<(), Error>,
    >(site, ::core::format_args!("key"));
    return call
        .run(|| -> Result<(), Error> {
            let value = 1;
            Ok(())
        });
}
