#[distributed_lock("key", waitt = "5s", hold = hold)]
#[inline]
fn run() -> Result<u64, Error> {
    Ok(hold.fence())
}

// ---- expands to ----

::core::compile_error! {
    "unknown option `waitt`; did you mean `wait`?\nthe options are `ttl`, `wait`, `max_hold`, `renew`, `release`, `if_busy`, `on_error`, `on_lost`, `hold`, `manager`, `crate`"
}
#[inline]
fn run() -> Result<u64, Error> {
    let hold = (|| -> ::distlock::Hold { ::core::unreachable!() })();
    { Ok(hold.fence()) }
}
