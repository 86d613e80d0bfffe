use distlock::{LockError, distributed_lock};
pub struct Shop {
    pub name: String,
    pub stock: u64,
}
impl Shop {
    pub fn sell(&mut self) -> Result<&mut u64, LockError> {
        let distlock_site = {
            static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                "expansion::method",
                "sell",
                "shop:{}",
            );
            &SITE
        };
        let distlock_call = ::distlock::__private::call::<
            Result<&mut u64, LockError>,
        >(distlock_site, format_args!("shop:{0}", self.name));
        return distlock_call
            .run(|| -> Result<&mut u64, LockError> {
                self.stock -= 1;
                Ok(&mut self.stock)
            });
    }
}
