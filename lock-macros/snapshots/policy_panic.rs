#[distributed_lock("numbers", on_error = panic)]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

// ---- expands to ----

fn numbers() -> impl Iterator<Item = u32> {
    return ({
        let distlock_call = ::distlock::__private::call_or_panic(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "numbers",
                    "numbers",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("numbers")],
        );
        distlock_call
    })
        .run(|| { 0..3 });
}
