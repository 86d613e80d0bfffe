#[distributed_lock("key", waitt = "5s", hold = hold)]
#[inline]
fn run() -> Result<u64, Error> {
    Ok(hold.fence())
}

// ---- expands to ----

::core::compile_error! {
    "unknown option `waitt`; did you mean `wait`? write for example `wait = \"5s\"`"
}
#[inline]
fn run() -> Result<u64, Error> {
    let hold = (|| -> ::distlock::Hold { ::core::unreachable!() })();
    Ok(hold.fence())
}
