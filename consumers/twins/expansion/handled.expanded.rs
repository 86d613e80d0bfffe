use distlock::distributed_lock;
pub async fn count(text: String) -> String {
    let site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::handled::count",
            "counter",
            "consumers/twins/expansion/handled.rs",
            3u32,
        );
        &SITE
    };
    let call = ::distlock::__private::try_call(site, format_args!("counter"));
    return call
        .run_async(async move || {
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                String,
            > {
                return output;
            }
            ({ text + "1" })
        })
        .await
        .unwrap_or_else(|error| error.to_string());
}
