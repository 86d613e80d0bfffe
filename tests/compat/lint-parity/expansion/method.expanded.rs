use distlock::{LockError, distributed_lock};
pub struct Shop {
    pub name: String,
    pub stock: u64,
}
impl Shop {
    pub fn sell(&mut self) -> Result<&mut u64, LockError> {
        return ({
            let distlock_call = ::distlock::__private::call::<
                Result<&mut u64, LockError>,
            >(
                {
                    static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                        "expansion::method",
                        "sell",
                        "shop:{}",
                        ::distlock::__private::Options::DEFAULT,
                    );
                    &LOCKED_FN
                },
                &[format_args!("shop:{0}", self.name)],
            );
            distlock_call
        })
            .run(|| -> Result<&mut u64, LockError> {
                self.stock -= 1;
                Ok(&mut self.stock)
            });
    }
}
