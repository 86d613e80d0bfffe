#[distributed_lock("{key}:{N}")]
fn first<'a, 'b, K, T, const N: usize>(
    key: K,
    items: &'a [T; N],
    rest: &'b T,
) -> Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error>
where
    K: Display,
    T: Load<'b>,
{
    rest.pair(key, items)
}

// ---- expands to ----

fn first<'a, 'b, K, T, const N: usize>(
    key: K,
    items: &'a [T; N],
    rest: &'b T,
) -> Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error>
where
    K: Display,
    T: Load<'b>,
{
    return ({
        let distlock_call = ::distlock::__private::call::<
            Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error>,
        >(
            {
                static LOCKED_FN: ::distlock::__private::LockedFn = ::distlock::__private::LockedFn::new(
                    ::core::module_path!(),
                    "first",
                    "{key}:{N}",
                    ::distlock::__private::Options::DEFAULT,
                );
                &LOCKED_FN
            },
            &[::core::format_args!("{key}:{N}")],
        );
        distlock_call
    })
        .run(|| -> Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error> {
            rest.pair(key, items)
        });
}
