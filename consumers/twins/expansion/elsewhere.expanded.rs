use distlock as locks;
use distlock::{LockError, LockManager};
pub struct Shop {
    pub locks: LockManager,
}
impl Shop {
    pub fn open(&self) -> Result<(), LockError> {
        let site = {
            static SITE: locks::__private::Site = locks::__private::Site::new(
                "expansion::elsewhere::open",
                "shop",
                "consumers/twins/expansion/elsewhere.rs",
                9u32,
            );
            &SITE
        };
        let call = locks::__private::call::<
            Result<(), LockError>,
        >(site, format_args!("shop"))
            .manager(&(self.locks));
        return call.run(|| -> Result<(), LockError> { Ok(()) });
    }
}
