#[distributed_lock("key")]
fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let value = 1;
    Ok(())
}

// ---- expands to ----

fn run() -> Result<(), Error> {
    #![allow(unused_variables)]
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            ::core::module_path!(),
            "run",
            "key",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call::<
        Result<(), Error>,
    >(distlock_fn, &[::core::format_args!("key")]);
    return distlock_call
        .run(|| -> Result<(), Error> {
            let value = 1;
            Ok(())
        });
}
