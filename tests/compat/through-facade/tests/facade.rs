//! The dependency of a dependency: `::distlock` is no name here, `crate = facade::locks` is the
//! way.
#![forbid(unsafe_code)]
#![deny(warnings, rust_2018_idioms)]

use facade::locks::{self, LockError, LockManager, distributed_lock};

#[distributed_lock("facade:{id}", crate = facade::locks, hold = hold)]
fn by_path(id: u32) -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

#[facade::locks::distributed_lock("facade:use", crate = locks, wait = "5s", release = confirmed)]
async fn by_use() -> Result<bool, LockError> {
    Ok(locks::current().is_some())
}

mod nested {
    pub(super) struct Service(pub(super) u32);

    impl Service {
        #[super::distributed_lock("facade:{}", self.0, crate = super::locks, on_error = panic)]
        pub(super) fn method(&mut self) -> &mut u32 {
            self.0 += 1;
            &mut self.0
        }
    }
}

facade::locked! { "facade:macro:{id}",
    fn by_macro(id: u32) -> Result<u32, LockError> {
        Ok(id)
    }
}

#[test]
fn the_attribute_works_through_another_crate() {
    locks::init(LockManager::connect("memory://").expect("no server is needed")).expect("once");
    assert_eq!(by_path(1).expect("free"), "facade:1");
    assert_eq!((*nested::Service(2).method(), by_macro(4).expect("free")), (3, 4));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert!(runtime.block_on(by_use()).expect("free"));
}
