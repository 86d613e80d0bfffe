use distlock as locks;
use distlock::{LockError, LockManager};
pub struct Shop {
    pub locks: LockManager,
}
impl Shop {
    pub fn open(&self) -> Result<(), LockError> {
        let distlock_fn = {
            static LOCKED_FN: locks::__private::LockedFn = locks::__private::LockedFn::new(
                "expansion::elsewhere",
                "open",
                "shop",
                locks::__private::Options::DEFAULT,
            );
            &LOCKED_FN
        };
        let mut distlock_call = locks::__private::call::<
            Result<(), LockError>,
        >(distlock_fn, &[format_args!("shop")]);
        distlock_call.manager(&(self.locks));
        return distlock_call.run(|| -> Result<(), LockError> { Ok(()) });
    }
}
