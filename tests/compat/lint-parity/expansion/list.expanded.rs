use distlock::{LockError, distributed_lock};
pub struct Account {
    pub id: u64,
    pub balance: u64,
}
impl Account {
    pub async fn transfer(&mut self, to: u64, amount: u64) -> Result<u64, LockError> {
        return ({
            let distlock_call = match (&(self.id),) {
                (distlock_key_from,) => {
                    ::distlock::__private::call::<
                        Result<u64, LockError>,
                    >(
                        {
                            static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                                "expansion::list",
                                "transfer",
                                "account:{from}, account:{to}",
                                ::distlock::__private::Options {
                                    strict_fifo: true,
                                    ..::distlock::__private::Options::DEFAULT
                                },
                            );
                            &LOCKED_FN
                        },
                        &[
                            format_args!("account:{0}", * distlock_key_from),
                            format_args!("account:{0}", to),
                        ],
                    )
                }
            };
            distlock_call
        })
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<Result<u64, LockError>>();
                }
                ({
                    self.balance -= amount;
                    Ok(to)
                })
            })
            .await;
    }
}
