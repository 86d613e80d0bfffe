#[distributed_lock("shop", manager = self.locks, crate = app::locks)]
async fn open(&self) -> Result<(), Error> {
    self.door.open().await
}

// ---- expands to ----

async fn open(&self) -> Result<(), Error> {
    return ({
        let mut distlock_call = app::locks::__private::call::<
            Result<(), Error>,
        >(
            {
                static LOCKED_FN: app::locks::__private::LockedFn = app::locks::__private::LockedFn::new(
                    ::core::module_path!(),
                    "open",
                    "shop",
                    app::locks::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("shop")],
        );
        distlock_call.manager(&(self.locks));
        distlock_call
    })
        .run_async(move || async move {
            if false {
                return app::locks::__private::never::<Result<(), Error>>();
            }
            ({ self.door.open().await })
        })
        .await;
}
