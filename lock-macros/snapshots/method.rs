#[distributed_lock("shop:{}", self.name, hold = hold)]
pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    self.stock.take(hold.fence())?;
    Ok(&mut self.stock)
}

// ---- expands to ----

pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    let distlock_fn = {
        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
            ::core::module_path!(),
            "sell",
            "shop:{}",
            ::distlock::__private::Options::DEFAULT,
        );
        &LOCKED_FN
    };
    let distlock_call = ::distlock::__private::call::<
        Result<&mut Stock, Error>,
    >(distlock_fn, &[::core::format_args!("shop:{}", self.name)]);
    return distlock_call
        .run_with_hold(|hold| -> Result<&mut Stock, Error> {
            self.stock.take(hold.fence())?;
            Ok(&mut self.stock)
        });
}
