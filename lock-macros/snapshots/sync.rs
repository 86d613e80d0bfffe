#[distributed_lock("account:{from}")]
fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    ledger(from)?.write(amount)
}

// ---- expands to ----

fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            ::core::module_path!(),
            "withdraw",
            "account:{from}",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call::<
        Result<(), BankError>,
    >(distlock_fn, &[::core::format_args!("account:{from}")]);
    return distlock_call
        .run(|| -> Result<(), BankError> { ledger(from)?.write(amount) });
}
