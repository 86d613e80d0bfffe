#[distributed_lock(["account:{from}", "account:{to}"], wait = "5s", fairness = strict)]
fn transfer(from: u64, to: u64, amount: u64) -> Result<(), Error> {
    bank().move_money(from, to, amount)
}

// ---- expands to ----

fn transfer(from: u64, to: u64, amount: u64) -> Result<(), Error> {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                ::core::module_path!(),
                "transfer",
                "account:{from}, account:{to}",
            )
            .wait(::distlock::__private::milliseconds(5000))
            .strict_fifo();
        &SITE
    };
    let distlock_call = ::distlock::__private::call_all::<
        Result<(), Error>,
    >(
        distlock_site,
        &[::core::format_args!("account:{from}"), ::core::format_args!("account:{to}")],
    );
    return distlock_call
        .run(|| -> Result<(), Error> { bank().move_money(from, to, amount) });
}
