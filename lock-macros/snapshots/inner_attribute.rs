#[distributed_lock("key")]
fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let value = 1;
    Ok(())
}

// ---- expands to ----

fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "run",
            "key",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<(), Error>,
    >(distlock_site, ::core::format_args!("key"));
    return distlock_call
        .run(|| -> Result<(), Error> {
            let value = 1;
            Ok(())
        });
}
