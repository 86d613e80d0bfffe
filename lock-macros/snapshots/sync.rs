#[distributed_lock("account:{from}")]
fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    ledger(from)?.write(amount)
}

// ---- expands to ----

fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "withdraw",
            "account:{from}",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<(), BankError>,
    >(distlock_site, ::core::format_args!("account:{from}"));
    return distlock_call
        .run(|| -> Result<(), BankError> { ledger(from)?.write(amount) });
}
