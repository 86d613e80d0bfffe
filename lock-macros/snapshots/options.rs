#[distributed_lock(
    "shop:{}:{n}",
    self.name,
    n = self.n,
    ttl = "30s",
    wait = self.patience,
    max_hold = "1m 500us",
    min_hold = "10s",
    replicas = 2,
    confirm = "500ms",
    renew = false,
    release = confirmed,
    on_lost = finish,
    if_busy = skip,
    on_error = |err| report(&err),
    manager = self.locks,
    crate = app::lock
)]
#[must_use]
fn sell(&mut self) {
    self.n += 1;
}

// ---- expands to ----

#[must_use]
fn sell(&mut self) {
    app::lock::__private::handle(
        ({
            let mut distlock_call = app::lock::__private::try_call(
                    {
                        static LOCKED_FN: app::lock::__private::LockedFn = app::lock::__private::LockedFn::new(
                            ::core::module_path!(),
                            "sell",
                            "shop:{}:{n}",
                            app::lock::__private::Options {
                                ttl: app::lock::__private::milliseconds(30000),
                                max_hold: app::lock::__private::duration(60, 500000),
                                min_hold: app::lock::__private::milliseconds(10000),
                                confirm: app::lock::__private::milliseconds(500),
                                renew: false,
                                replicas: app::lock::__private::replicas(2),
                                finish_when_lost: true,
                                ..app::lock::__private::Options::DEFAULT
                            },
                        );
                        &LOCKED_FN
                    },
                    &[::core::format_args!("shop:{}:{n}", self.name, n = self.n)],
                )
                .or_skip::<()>()
                .wait_for_release();
            distlock_call.manager(&(self.locks));
            distlock_call.wait(self.patience);
            distlock_call
        })
            .run(|| -> () {
                self.n += 1;
            }),
        |err| report(&err),
    )
}
