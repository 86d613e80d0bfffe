#[distributed_lock("shop:{id}", on_error = panic)]
fn shop(id: u64) -> Shop {
    Shop::open(id)
}

// ---- expands to ----

fn shop(id: u64) -> Shop {
    ::distlock::__private::return_probe::<Shop>().distlock_is_not_a_future();
    return ({
        let distlock_call = ::distlock::__private::call_or_panic(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "shop",
                    "shop:{id}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("shop:{id}")],
        );
        distlock_call
    })
        .run(|| -> Shop { Shop::open(id) });
}
