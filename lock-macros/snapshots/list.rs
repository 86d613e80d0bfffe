#[distributed_lock(["account:{from}", "account:{to}"], wait = "5s", fairness = strict)]
fn transfer(from: u64, to: u64, amount: u64) -> Result<(), Error> {
    bank().move_money(from, to, amount)
}

// ---- expands to ----

fn transfer(from: u64, to: u64, amount: u64) -> Result<(), Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "transfer",
                    "account:{from}, account:{to}",
                    ::distlock::__private::Options {
                        wait: ::distlock::__private::milliseconds(5000),
                        strict_fifo: true,
                        ..::distlock::__private::Options::DEFAULT
                    },
                );
                &LOCKED_FN
            },
            &[
                ::core::format_args!("account:{from}"),
                ::core::format_args!("account:{to}"),
            ],
        );
        distlock_call
    })
        .run(|| -> Result<(), Error> { bank().move_money(from, to, amount) });
}
