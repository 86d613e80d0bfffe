#[distributed_lock("shop:{}", self.name, hold = hold)]
pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    self.stock.take(hold.fence())?;
    Ok(&mut self.stock)
}

// ---- expands to ----

pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<&mut Stock, Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "sell",
                    "shop:{}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("shop:{}", self.name)],
        );
        distlock_call
    })
        .run_with_hold(|hold| -> Result<&mut Stock, Error> {
            self.stock.take(hold.fence())?;
            Ok(&mut self.stock)
        });
}
