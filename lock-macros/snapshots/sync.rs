#[distributed_lock("account:{from}")]
fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    ledger(from)?.write(amount)
}

// ---- expands to ----

fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), BankError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "withdraw",
                    "account:{from}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("account:{from}")],
        );
        distlock_call
    })
        .run(|| -> Result<(), BankError> { ledger(from)?.write(amount) });
}
