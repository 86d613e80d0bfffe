use distlock::distributed_lock;
pub async fn count(text: String) -> String {
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            "expansion::handled",
            "count",
            "counter",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::try_call(
        distlock_site,
        format_args!("counter"),
    );
    return ::distlock::__private::handle(
        distlock_call
            .run_async(move || async move {
                if false {
                    return ::distlock::__private::never::<String>();
                }
                ({ text + "1" })
            })
            .await,
        |error| error.to_string(),
    );
}
