#[distributed_lock(["shop:{id}", "shop:{id}:till:{till}", "audit"], id = self.id, till = next().await, hold = last, on_error = |err| err.into())]
async fn sell(&self) -> Answer {
    self.sell_under(last).await
}

// ---- expands to ----

async fn sell(&self) -> Answer {
    return ::distlock::__private::handle(
        ({
            let distlock_call = match (&(self.id), &(next().await)) {
                (distlock_key_id, distlock_key_till) => {
                    ::distlock::__private::try_call(
                        {
                            static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                                ::core::module_path!(),
                                "sell",
                                "shop:{id}, shop:{id}:till:{till}, audit",
                                ::distlock::__private::Options::DEFAULT,
                            );
                            &LOCKED_FN
                        },
                        &[
                            ::core::format_args!("shop:{id}", id = * distlock_key_id),
                            ::core::format_args!(
                                "shop:{id}:till:{till}", id = * distlock_key_id, till = *
                                distlock_key_till
                            ),
                            ::core::format_args!("audit"),
                        ],
                    )
                }
            };
            distlock_call
        })
            .run_async_with_hold(move |last| async move {
                if false {
                    return ::distlock::__private::never::<Answer>();
                }
                ({ self.sell_under(last).await })
            })
            .await,
        |err| err.into(),
    );
}
