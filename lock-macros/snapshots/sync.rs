#[distributed_lock("account:{from}")]
fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    ledger(from)?.write(amount)
}

// ---- expands to ----

fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "withdraw"),
            "account:{from}",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<(), BankError>,
    >(site, ::core::format_args!("account:{from}"));
    return call.run(|| -> Result<(), BankError> { ledger(from)?.write(amount) });
}
