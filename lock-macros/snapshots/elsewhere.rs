#[distributed_lock("shop", manager = self.locks, crate = app::locks)]
async fn open(&self) -> Result<(), Error> {
    self.door.open().await
}

// ---- expands to ----

async fn open(&self) -> Result<(), Error> {
    let site = {
        static SITE: app::locks::__private::Site = app::locks::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "open"),
            "shop",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = app::locks::__private::call::<
        Result<(), Error>,
    >(site, ::core::format_args!("shop"))
        .manager(&(self.locks));
    return call
        .run_async(async move || {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                Result<(), Error>,
            > {
                return output;
            }
            ({ self.door.open().await })
        })
        .await;
}
