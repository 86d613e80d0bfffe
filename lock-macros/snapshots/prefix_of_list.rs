#[distributed_lock(["a:{from}", "a:{to}"], from = self.id, prefix = self.tenant)]
fn pay(&self, to: u64) -> Result<(), Error> {
    self.paid(to)
}

// ---- expands to ----

fn pay(&self, to: u64) -> Result<(), Error> {
    return ({
        let distlock_call = match (&(self.tenant), &(self.id)) {
            (distlock_prefix, distlock_key_from) => {
                ::distlock::__private::call::<
                    Result<(), Error>,
                >(
                    {
                        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                            ::core::module_path!(),
                            "pay",
                            "{self.tenant}a:{from}, {self.tenant}a:{to}",
                            ::distlock::__private::Options::DEFAULT,
                        );
                        &LOCKED_FN
                    },
                    &[
                        ::core::format_args!(
                            "{}{}", match ::distlock::__private::key_value(& (*
                            distlock_prefix)) { distlock_value => distlock_value
                            .distlock_key() }, ::core::format_args!("a:{from}", from = *
                            distlock_key_from)
                        ),
                        ::core::format_args!(
                            "{}{}", match ::distlock::__private::key_value(& (*
                            distlock_prefix)) { distlock_value => distlock_value
                            .distlock_key() }, ::core::format_args!("a:{to}")
                        ),
                    ],
                )
            }
        };
        distlock_call
    })
        .run(|| -> Result<(), Error> { self.paid(to) });
}
