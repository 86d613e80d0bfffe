#[distributed_locks(prefix = "shop:", manager = self.locks, on_error = status)]
impl Shop {
    #[distributed_lock("item:{id}")]
    fn sell(&self, id: u64) -> Status {
        self.sold(id)
    }
    #[cfg_attr(feature = "locks", distributed_lock("till", on_error = panic))]
    fn count(&self) -> u64 {
        self.till
    }
    fn open(&self) {}
}

// ---- expands to ----

impl Shop {
    #[distributed_lock(
        "item:{id}"
        distlock_defaults{prefix = "shop:",
        manager = self.locks,
        on_error = status}
    )]
    fn sell(&self, id: u64) -> Status {
        self.sold(id)
    }
    #[cfg_attr(
        feature = "locks",
        distributed_lock(
            "till",
            on_error = panic
            distlock_defaults{prefix = "shop:",
            manager = self.locks,
            on_error = status}
        )
    )]
    fn count(&self) -> u64 {
        self.till
    }
    fn open(&self) {}
}
