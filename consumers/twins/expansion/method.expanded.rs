use distlock::{LockError, distributed_lock};
pub struct Shop {
    pub name: String,
    pub stock: u64,
}
impl Shop {
    pub fn sell(&mut self) -> Result<&mut u64, LockError> {
        let site = {
            static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
                "expansion::method::sell",
                "shop:{}",
                "consumers/twins/expansion/method.rs",
                9u32,
            );
            &SITE
        };
        let call = ::distlock::__private::call::<
            Result<&mut u64, LockError>,
        >(site, format_args!("shop:{0}", self.name));
        return call
            .run(|| -> Result<&mut u64, LockError> {
                self.stock -= 1;
                Ok(&mut self.stock)
            });
    }
}
