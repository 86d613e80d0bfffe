use std::fmt::Display;
use distlock::{LockError, distributed_lock};
pub fn first<'a, K, T, const N: usize>(
    key: K,
    items: &'a [T; N],
    spare: &T,
) -> Result<Option<&'a T>, LockError>
where
    K: Display,
    T: PartialEq,
{
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<Option<&'a T>, LockError>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    "expansion::generic",
                    "first",
                    "{key}:{N}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[format_args!("{0}:{1}", key, N)],
        );
        distlock_call
    })
        .run(|| -> Result<Option<&'a T>, LockError> {
            Ok(items.iter().find(|item| *item != spare))
        });
}
