#[distributed_lock("tick", on_error = panic)]
fn tick() {
    step()
}

// ---- expands to ----

fn tick() {
    ({
        let distlock_call = ::distlock::__private::call_or_panic(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "tick",
                    "tick",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("tick")],
        );
        distlock_call
    })
        .run(|| -> () { step() })
}
