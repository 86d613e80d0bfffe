#[distributed_lock("shop:{}", self.name, hold = hold)]
pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    self.stock.take(hold.fence())?;
    Ok(&mut self.stock)
}

// ---- expands to ----

pub fn sell(&mut self) -> Result<&mut Stock, Error> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "sell"),
            "shop:{}",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<&mut Stock, Error>,
    >(site, ::core::format_args!("shop:{}", self.name));
    return call
        .run_with_hold(|hold| -> Result<&mut Stock, Error> {
            self.stock.take(hold.fence())?;
            Ok(&mut self.stock)
        });
}
