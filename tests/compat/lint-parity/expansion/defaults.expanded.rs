use distlock::{LockError, distributed_lock, distributed_locks};
pub struct Shop;
pub fn status(_error: LockError) -> u16 {
    503
}
impl Shop {
    pub fn restock(&self, ids: &[u64]) -> u16 {
        return match ::distlock::__private::split_busy(
            ({
                let mut distlock_call = ::distlock::__private::try_call(
                    {
                        static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                            "expansion::defaults",
                            "restock",
                            "item:{ids.iter()}",
                            ::distlock::__private::Options {
                                wait: ::distlock::__private::milliseconds(0),
                                ..::distlock::__private::Options::DEFAULT
                            },
                        );
                        &LOCKED_FN
                    },
                    &[],
                );
                distlock_call
                    .keys(
                        match ::distlock::__private::key_values(ids.iter()) {
                            mut distlock_values => {
                                distlock_values.distlock_keys(format_args!("item:"))
                            }
                        },
                    );
                distlock_call
            })
                .run(|| -> u16 { 200 }),
        ) {
            ::core::result::Result::Ok(distlock_value) => distlock_value,
            ::core::result::Result::Err(
                ::distlock::__private::Failed::Busy(distlock_error),
            ) => distlock_error.answer(|busy| if busy.ahead > 0 { 429 } else { 409 }),
            ::core::result::Result::Err(
                ::distlock::__private::Failed::Other(distlock_error),
            ) => distlock_error.answer(|distlock_error| status(distlock_error)),
        };
    }
}
