#[distributed_lock("shop:{id}", on_error = panic)]
fn shop(id: u64) -> Shop {
    Shop::open(id)
}

// ---- expands to ----

fn shop(id: u64) -> Shop {
    ::distlock::__private::returned::<Shop>().distlock_is_finished();
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "shop",
            "shop:{id}",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call_or_panic(
        distlock_site,
        ::core::format_args!("shop:{id}"),
    );
    return distlock_call.run(|| -> Shop { Shop::open(id) });
}
