use distlock as locks;
use distlock::{LockError, LockManager};
pub struct Shop {
    pub locks: LockManager,
}
impl Shop {
    pub fn open(&self) -> Result<(), LockError> {
        return ({
            let mut distlock_call = locks::__private::call::<
                Result<(), LockError>,
            >(
                {
                    static LOCKED_FN: locks::__private::LockedFn = locks::__private::LockedFn::new(
                        "expansion::elsewhere",
                        "open",
                        "shop",
                        locks::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[format_args!("shop")],
            );
            distlock_call.manager(&(self.locks));
            distlock_call
        })
            .run(|| -> Result<(), LockError> { Ok(()) });
    }
}
