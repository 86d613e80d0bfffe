#[distributed_lock("account:{from}", wait = "5s", hold = hold)]
pub async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    storage.write(from, amount, hold.fence()).await
}

// ---- expands to ----

pub async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(), BankError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "withdraw",
                    "account:{from}",
                    ::distlock::__private::Options {
                        wait: ::distlock::__private::milliseconds(5000),
                        ..::distlock::__private::Options::DEFAULT
                    },
                );
                &LOCKED_FN
            },
            &[::core::format_args!("account:{from}")],
        );
        distlock_call
    })
        .run_async_with_hold(move |hold| async move {
            if false {
                return ::distlock::__private::never::<Result<(), BankError>>();
            }
            ({ storage.write(from, amount, hold.fence()).await })
        })
        .await;
}
