#[distributed_lock("account:{from}", wait = "5s", hold = hold)]
pub async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    storage.write(from, amount, hold.fence()).await
}

// ---- expands to ----

pub async fn withdraw(from: u64, amount: u64) -> Result<(), BankError> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                ::core::concat!(::core::module_path!(), "::", "withdraw"),
                "account:{from}",
                ::core::file!(),
                ::core::line!(),
            )
            .wait(::core::time::Duration::from_millis(5000));
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<(), BankError>,
    >(site, ::core::format_args!("account:{from}"));
    return call
        .run_async_with_hold(async move |hold| {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                Result<(), BankError>,
            > {
                return output;
            }
            ({ storage.write(from, amount, hold.fence()).await })
        })
        .await;
}
