use distlock as locks;
use distlock::{LockError, LockManager};
pub struct Shop {
    pub locks: LockManager,
}
impl Shop {
    pub fn open(&self) -> Result<(), LockError> {
        let distlock_site = {
            static SITE: locks::__private::Site = locks::__private::Site::new(
                "expansion::elsewhere",
                "open",
                "shop",
            );
            &SITE
        };
        let distlock_call = locks::__private::call::<
            Result<(), LockError>,
        >(distlock_site, format_args!("shop"))
            .manager(&(self.locks));
        return distlock_call.run(|| -> Result<(), LockError> { Ok(()) });
    }
}
