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
            ::core::module_path!(),
            "run",
            "key",
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<(), Error>,
    >(site, ::core::format_args!("key"));
    call.run(|| -> Result<(), Error> {
        let value = 1;
        Ok(())
    })
}
