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
    let distlock_site = {
        static SITE: ::distlock::__private::Site = ::distlock::__private::Site::new(
            ::core::module_path!(),
            "first",
            "{key}:{N}",
        );
        &SITE
    };
    let distlock_call = ::distlock::__private::call::<
        Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error>,
    >(distlock_site, ::core::format_args!("{key}:{N}"));
    return distlock_call
        .run(|| -> Result<(Cow<'a, [T]>, &'a T, T::Part<'b>, Box<dyn Fn(&'a T)>), Error> {
            rest.pair(key, items)
        });
}
