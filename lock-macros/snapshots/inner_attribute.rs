#[distributed_lock("key")]
fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let value = 1;
    Ok(())
}

// ---- expands to ----

fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "run",
                    "key",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("key")],
        );
        distlock_call
    })
        .run(|| -> Result<(), Error> {
            let value = 1;
            Ok(())
        });
}
