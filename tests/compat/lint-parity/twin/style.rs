//! What clippy would write shorter.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::future::Future;
use std::rc::Rc;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn returns(flag: bool) -> Answer<u32> {
    if flag {
        return Ok(1);
    }
    let result = Ok(2);
    return result;
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn returns_async(flag: bool) -> Answer<u32> {
    if flag {
        return Ok(1);
    }
    let result = Ok(2);
    return result;
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn let_and_return() -> Answer<u32> {
    let result = Ok(2);
    result
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn let_and_return_async() -> Answer<u32> {
    let result = Ok(2);
    result
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn returns_in_all(number: u32) -> Answer<u32> {
    match number {
        1 => return Ok(1),
        2 => {
            return Err(returns(true).unwrap_err());
        }
        _ => {
            if number == 7 {
                return Ok(7);
            } else {
                return Ok(8);
            }
        }
    };
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn returns_in_all_async(number: u32) -> Answer<u32> {
    match number {
        1 => return Ok(1),
        _ => {
            if number == 7 {
                return Ok(7);
            } else {
                return Ok(8);
            }
        }
    };
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn questions(flag: bool) -> Answer<u32> {
    let first = returns(flag)?;
    let second = match returns(flag) {
        Ok(value) => value,
        Err(error) => return Err(error),
    };
    if returns(flag).is_err() {
        return returns(flag);
    }
    Err(returns(flag).unwrap_err())?;
    Ok(returns(first == second)?)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn questions_async(flag: bool) -> Answer<u32> {
    let first = returns_async(flag).await?;
    let second = match returns_async(flag).await {
        Ok(value) => value,
        Err(error) => return Err(error),
    };
    Err(returns(flag).unwrap_err())?;
    Ok(returns_async(first == second).await?)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn closures(numbers: Vec<u32>) -> Answer<Vec<u32>> {
    let plus = |number: u32| add_one(number);
    let called = (|| 1)();
    let method: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    let first: u32 = numbers
        .iter()
        .map(|number| *number)
        .filter(|number| *number > 1)
        .next()
        .unwrap_or(add_one(3));
    let found = numbers.iter().find(|number| **number == 3).is_some();
    let option = Some(1).map(|number| plus(number)).unwrap_or_else(|| 0);
    let or = Some(method.len()).map_or(None, |length| Some(length));
    Some(1).map(|number| println!("{number}"));
    drop((called, found, option, or));
    Ok(numbers
        .into_iter()
        .map(|number| number)
        .filter_map(|number| Some(number))
        .map(|number| {
            return number + first;
        })
        .collect::<Vec<u32>>())
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn add_one(number: u32) -> u32 {
    number + 1
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn closures_async(numbers: Vec<u32>) -> Answer<Vec<u32>> {
    let called = (|| 1)();
    let option = Some(1).map(|number| add_one(number)).unwrap_or_else(|| 0);
    let future = || async { add_one(3) };
    drop((called, option, future().await));
    Ok(numbers.into_iter().map(|number| number).collect::<Vec<u32>>())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn loops(numbers: &mut Vec<u32>) -> Answer<u32> {
    let mut count = 0;
    for index in 0..numbers.len() {
        numbers[index] += 1;
    }
    for number in numbers.iter() {
        count += 1;
        drop(number);
    }
    for _ in numbers.iter().enumerate() {}
    for (index, _) in numbers.iter().enumerate() {
        count += index as u32;
    }
    while let Some(number) = numbers.pop() {
        if number == 3 {
            break;
        }
    }
    loop {
        match numbers.pop() {
            Some(number) => drop(number),
            None => break,
        }
    }
    while true {
        break;
    }
    for option in Some(3) {
        count += option;
    }
    let mut copied = Vec::new();
    for number in numbers.iter() {
        copied.push(*number);
    }
    let mut index = 0;
    for number in &copied {
        numbers[index] = *number;
        index += 1;
    }
    loop {
        if count > 3 {
            return Ok(count);
        }
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn copies(text: &String, number: &u32, shared: Rc<String>) -> Answer<String> {
    let clone = text.clone();
    let again = clone.clone();
    let copied = number.clone();
    let counted = shared.clone();
    let owned = text.to_string().to_string();
    let converted = String::from(owned.clone()).into_boxed_str();
    let vector = vec![1, 2, 3];
    let total: u32 = vector.iter().sum();
    let reference = &(&text);
    let useless: u32 = u32::from(total).into();
    drop(&reference);
    std::mem::forget(&useless);
    drop((copied, counted, converted));
    Ok(again)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn copies_async(text: &String, number: &u32) -> Answer<String> {
    let clone = text.clone();
    let again = clone.clone();
    let copied = number.clone();
    drop(copied);
    Ok(again.to_string())
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn unit() {
    let nothing = println!("unit");
    drop(nothing);
    returns_unit(());
    returns_unit(returns_unit(()));
    let unit = ();
    return ();
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn returns_unit(unit: ()) -> () {
    unit
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn unit_async() {
    println!("unit");
    returns_unit(returns_unit(()));
    return;
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn returns_unit_async() -> () {
    let value = std::future::ready(()).await;
    value
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn semicolons(numbers: &mut Vec<u32>) {
    {
        numbers.push(1)
    };
    {
        numbers.push(1);
    }
    if numbers.is_empty() {
        numbers.push(2)
    }
    unsafe { numbers.set_len(0) };
    numbers.push(3)
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn semicolons_async(numbers: &mut Vec<u32>) {
    {
        numbers.push(1)
    };
    {
        numbers.push(1);
    }
    numbers.push(3)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn inits() -> Answer<u32> {
    let late;
    late = 3;
    let chosen;
    if late == 3 {
        chosen = 1
    } else {
        chosen = 2
    }
    let mut vector = Vec::new();
    vector.push(1);
    let mut default = String::default();
    default = String::from("a");
    let text = std::iter::repeat("a").take(3).collect::<String>() + &default;
    Ok(chosen + vector.len() as u32 + text.len() as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn inits_async() -> Answer<u32> {
    let late;
    late = 3;
    let mut vector = Vec::new();
    vector.push(late);
    Ok(vector.len() as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn forwards() -> Answer<u32> {
    inits()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn forwards_unit() {
    drops_all()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn drops_all() {
    String::new();
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn forwards_default() -> String {
    String::default()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn forwards_vector() -> Vec<u32> {
    vec![]
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn forwards_async() -> Answer<u32> {
    inits_async().await
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn forwards_future() -> impl Future<Output = Answer<u32>> {
    inits_async()
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub async fn nothing_async() {}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn nothing() {}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn unit_tail() -> () {
    ()
}

#[cfg_attr(feature = "locked", distributed_lock(key = name.trim(), on_error = Err))]
pub fn key_of_value(name: &str, unused: u8) -> Answer<u32> {
    let length = name.len() as u32;
    return Ok(length);
}

#[cfg_attr(feature = "locked", distributed_lock(keys = names.iter(), prefix = "key:"))]
pub async fn keys_of_values(names: &Vec<String>) -> Answer<usize> {
    let mut length = names.len();
    Ok(length)
}

pub struct Defaults;

#[cfg_attr(feature = "locked", distlock::distributed_locks(prefix = "key:", on_error = Err))]
impl Defaults {
    #[cfg_attr(feature = "locked", distributed_lock("{}", name))]
    pub fn by_default(&self, name: String) -> Answer<usize> {
        return Ok(name.len());
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn never_used(&self) -> Answer<usize> {
        Ok(1)
    }
}
