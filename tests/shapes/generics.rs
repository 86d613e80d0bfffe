use std::fmt::{Debug, Display};

use distlock::{LockError, distributed_lock};

use super::support::{Error, support};

// 19
#[distributed_lock("generics:{value}:{N}")]
fn repeated<T, const N: usize>(value: T) -> Result<[T; N], Error>
where
    T: Clone + Display,
{
    Ok(std::array::from_fn(|_| value.clone()))
}

#[distributed_lock("generics:any")]
fn any<T: Default, E: From<LockError> + Debug>() -> Result<T, E> {
    Ok(T::default())
}

#[test]
fn type_and_const_parameters_reach_key_and_body() {
    support();
    assert_eq!(repeated::<_, 3>(1).expect("free"), [1, 1, 1]);
    assert_eq!(any::<u8, Error>().expect("free"), 0);
}

// 20
#[distributed_lock("generics:fn:{name}")]
fn applied<F>(name: &str, f: F) -> Result<usize, Error>
where
    F: for<'a> Fn(&'a str) -> &'a str,
{
    Ok(f(name).len())
}

#[distributed_lock("generics:once")]
fn once(f: impl FnOnce() -> String) -> Result<String, Error> {
    Ok(f())
}

#[distributed_lock("generics:dyn")]
fn dynamic(f: &dyn Fn(u32) -> u32, g: fn(u32) -> u32, h: &mut dyn FnMut()) -> Result<u32, Error> {
    h();
    Ok(f(1) + g(2))
}

#[test]
fn closures_and_function_pointers_are_arguments() {
    support();
    assert_eq!(applied("abc", |text| &text[1..]).expect("free"), 2);
    let owned = String::from("moved");
    assert_eq!(once(move || owned).expect("free"), "moved");
    let mut calls = 0;
    assert_eq!(dynamic(&|n| n + 1, |n| n * 2, &mut || calls += 1).expect("free"), 6);
    assert_eq!(calls, 1);
}
