#[distributed_lock("item:{}", self.id, prefix = "{SHOP}:")]
fn sell(&self) -> Result<(), Error> {
    self.sold()
}

// ---- expands to ----

fn sell(&self) -> Result<(), Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "sell",
                    "{SHOP}:item:{}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[
                ::core::format_args!(
                    "{}{}", ::core::format_args!("{SHOP}:"),
                    ::core::format_args!("item:{}", self.id)
                ),
            ],
        );
        distlock_call
    })
        .run(|| -> Result<(), Error> { self.sold() });
}
