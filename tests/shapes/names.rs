use super::support::support;

mod facade {
    pub(super) mod reexported {
        pub(crate) use distlock::{__private, LockError, distributed_lock};
    }
}

// 74
mod renamed {
    use super::facade::reexported as lock;

    #[lock::distributed_lock("names:renamed", crate = super::facade::reexported)]
    pub(super) fn renamed() -> Result<u32, lock::LockError> {
        Ok(1)
    }

    #[lock::distributed_lock("names:renamed", crate = lock, hold = hold)]
    pub(super) async fn by_use() -> Result<String, lock::LockError> {
        Ok(hold.key().to_owned())
    }
}

// 74
mod shadowed {
    mod distlock {
        pub(super) const ANSWER: u32 = 42;
    }
    #[allow(non_camel_case_types, dead_code, reason = "a name that an expansion might trip over")]
    struct core;

    #[::distlock::distributed_lock("names:shadowed")]
    pub(super) fn shadowed() -> Result<u32, ::distlock::LockError> {
        Ok(distlock::ANSWER)
    }
}

#[tokio::test]
async fn the_crate_is_found_under_another_name() {
    support();
    assert_eq!(renamed::renamed().expect("free"), 1);
    assert_eq!(renamed::by_use().await.expect("free"), "names:renamed");
    assert_eq!(shadowed::shadowed().expect("free"), 42);
}
