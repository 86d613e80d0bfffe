#[distributed_lock("numbers")]
async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    Ok(0..3)
}

// ---- expands to ----

async fn numbers() -> Result<impl Iterator<Item = impl Debug>, Error> {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "numbers",
            "numbers",
        );
        &SITE
    };
    let call = ::distlock::__private::call::<
        Result<_, Error>,
    >(site, ::core::format_args!("numbers"));
    let body = async move {
        if false {
            return ::distlock::__private::output::<Result<_, Error>>();
        }
        ({ Ok(0..3) })
    };
    let body = ::core::pin::pin!(::core::option::Option::Some(body));
    call.run_async(body).await
}
