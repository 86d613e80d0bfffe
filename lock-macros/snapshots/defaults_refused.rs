#[distributed_locks(wait = 5)]
impl Shop {
    #[distributed_lock("item:{id}")]
    fn sell(&self, id: u64) {}
}

// ---- expands to ----

::core::compile_error! {
    "`wait` is a string with a unit, or an expression of type `Duration`: write `wait = \"5s\"`"
}
impl Shop {
    #[distributed_lock("item:{id}" distlock_refused{})]
    fn sell(&self, id: u64) {}
}
