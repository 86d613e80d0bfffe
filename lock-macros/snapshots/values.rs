#[distributed_lock(keys = ids.iter().map(Id::as_str), prefix = "shop:", hold = hold)]
async fn restock(ids: &[Id]) -> Result<(), Error> {
    restock_all(ids, hold.fence()).await
}

// ---- expands to ----

async fn restock(ids: &[Id]) -> Result<(), Error> {
    return ({
        let mut distlock_call = ::distlock::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "restock",
                    "shop:{ids.iter().map(Id::as_str)}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[],
        );
        distlock_call
            .keys(
                match ::distlock::__private::key_values(ids.iter().map(Id::as_str)) {
                    mut distlock_values => {
                        distlock_values.distlock_keys(::core::format_args!("shop:"))
                    }
                },
            );
        distlock_call
    })
        .run_async_with_hold(move |hold| async move {
            if false {
                return ::distlock::__private::never::<Result<(), Error>>();
            }
            ({ restock_all(ids, hold.fence()).await })
        })
        .await;
}
