//! Bodies that are too long, too deep, too clever; panics of every kind.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::collections::HashMap;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn panics(numbers: &[u32], map: &HashMap<u32, u32>) -> Answer<u32> {
    let first = numbers.first().unwrap();
    let second = numbers.get(1).expect("two numbers");
    let parsed: u32 = "1".parse().unwrap();
    let third = numbers[2];
    let slice = &numbers[1..2];
    let text = &"text"[1..];
    assert!(*first == 1);
    assert_eq!(second, &2, "equal");
    debug_assert!(parsed == 1);
    if numbers.is_empty() {
        panic!("empty");
    } else if numbers.len() == 7 {
        unreachable!();
    } else if numbers.len() == 8 {
        todo!();
    } else if numbers.len() == 9 {
        unimplemented!("later");
    }
    Ok(map[&1] + third + slice.len() as u32 + text.len() as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn panics_async(numbers: &[u32]) -> Answer<u32> {
    let first = numbers.first().unwrap();
    let second = numbers.get(1).expect("two numbers");
    let third = numbers[2];
    assert!(*first == 1);
    if numbers.is_empty() {
        panic!("empty");
    } else if numbers.len() == 8 {
        todo!();
    }
    let error: Result<u32, u32> = Err(1);
    let _ = error.clone().unwrap_err();
    Ok(third + second + error.expect("fine"))
}

#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn panics_in_option(numbers: Vec<u32>) -> Option<u32> {
    let first = numbers.first()?;
    let last = numbers.last().unwrap();
    if *first == 3 {
        return None;
    }
    std::process::exit(*last as i32);
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn prints(text: &str) -> Answer {
    println!("{}", text);
    eprintln!("{text:?}");
    print!("line\n");
    print!("");
    println!("");
    dbg!(text);
    let _ = format!("{}", "literal");
    let _ = format!("{}", format!("{text}"));
    let _ = String::new() + &format!("{}", text.to_string());
    std::io::Write::write_all(&mut std::io::stdout(), format!("{text}").as_bytes());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn prints_async(text: &str) -> Answer {
    println!("{}", text);
    dbg!(text);
    let _ = format!("{}", text.to_string());
    Ok(())
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn nests(one: bool, two: bool, three: bool, four: bool) -> Answer<u32> {
    if one {
        if two {
            if three {
                if four {
                    for outer in 0..3 {
                        for inner in 0..3 {
                            if outer == inner {
                                while one {
                                    if two && three || four && !one || two == three {
                                        break;
                                    }
                                    match outer {
                                        0 => continue,
                                        1 => break,
                                        2 => return Ok(2),
                                        _ => {
                                            if inner == 3 {
                                                return Ok(3);
                                            }
                                        }
                                    }
                                }
                            } else if outer > inner {
                                continue;
                            } else {
                                if two {
                                    return Ok(4);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(0)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn nests_async(one: bool, two: bool, three: bool, four: bool) -> Answer<u32> {
    if one {
        if two {
            for outer in 0..3 {
                for inner in 0..3 {
                    if outer == inner {
                        while one {
                            if two && three || four && !one || two == three {
                                break;
                            }
                            match outer {
                                0 => continue,
                                1 => break,
                                2 => return Ok(2),
                                _ => {
                                    if inner == 3 {
                                        if four {
                                            std::future::ready(3).await;
                                        }
                                        return Ok(3);
                                    }
                                }
                            }
                        }
                    } else if outer > inner {
                        continue;
                    } else {
                        if two {
                            return Ok(4);
                        }
                    }
                }
            }
        }
    }
    Ok(0)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn stacks() -> Answer<u32> {
    let large = [0_u8; 600_000];
    let also = [[0_u64; 100]; 1000];
    Ok(u32::from(large[3]) + also[1][2] as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn decides(text: &str, number: Option<u32>, flags: (bool, bool)) -> Answer<u32> {
    if {
        let inner = text.len();
        inner == 3
    } {
        return Ok(1);
    }
    match { number } {
        Some(some) => Ok(some),
        None => {
            if flags.0 {
                Ok(1)
            } else {
                if flags.1 { Ok(2) } else { Ok(3) }
            }
        }
    }
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn matches(
    number: Option<u32>,
    result: Result<u32, String>,
    tuple: &(u32, String),
) -> Answer<u32> {
    match number {
        Some(ref some) => drop(some.to_string()),
        _ => (),
    }
    match number {
        Some(some) => some,
        None => 1,
    };
    let _ = match result {
        Ok(ref value) => Some(value),
        Err(_) => None,
    };
    if let Some(_) = number {}
    if let Ok(_) = result {}
    match tuple {
        (1, text) => drop(text.clone()),
        &(2, ref text) => drop(text.clone()),
        (_, _) => {}
    }
    let &(first, ref second) = tuple;
    let chosen = if let Some(some) = number { some + 1 } else { 0 };
    let same = match first {
        1 => 5,
        2 => 5,
        _ => 7,
    };
    let Some(value) = number else { return Ok(same) };
    let value = match number {
        Some(number) => number,
        None => return Ok(chosen),
    };
    match value {
        0..=3 => {}
        2..=5 => {}
        _ => {}
    }
    match first == 1 {
        true => {}
        false => drop(second.to_owned()),
    }
    Ok(value)
}
