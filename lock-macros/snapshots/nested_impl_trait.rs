#[distributed_lock("numbers")]
async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    Ok(0..3)
}

// ---- expands to ----

async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::concat!(::core::module_path!(), "::", "numbers"),
            "numbers",
            ::core::file!(),
            ::core::line!(),
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<_, Error>,
    >(site, ::core::format_args!("numbers"));
    return call
        .run_async(async move || {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                Result<_, Error>,
            > {
                return output;
            }
            ({ Ok(0..3) })
        })
        .await;
}
