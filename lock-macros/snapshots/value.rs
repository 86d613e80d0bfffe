#[distributed_lock(key = order.lock_key(), wait = "5s")]
fn ship(order: &Order) -> Result<(), Error> {
    order.ship()
}

// ---- expands to ----

fn ship(order: &Order) -> Result<(), Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "ship",
                    "{order.lock_key()}",
                    ::distlock::__private::Options {
                        wait: ::distlock::__private::milliseconds(5000),
                        ..::distlock::__private::Options::DEFAULT
                    },
                );
                &LOCKED_FN
            },
            &[
                ::core::format_args!(
                    "{}", match ::distlock::__private::key_value(& (order.lock_key())) {
                    distlock_value => distlock_value.distlock_key() }
                ),
            ],
        );
        distlock_call
    })
        .run(|| -> Result<(), Error> { order.ship() });
}
