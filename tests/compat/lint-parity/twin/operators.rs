//! Arithmetic, comparisons, casts and literals.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn arithmetic(left: i32, right: i32, float: f32) -> Answer<i32> {
    let sum = left + right * 2 - 1;
    let quotient = left / right % 3;
    let shifted = 1 << left;
    let half = float * 0.5 + 1.0;
    let same = left - left;
    let identity = left * 1 + 0;
    let erased = left * 0;
    let power = left.pow(2) as f32 + half;
    let precedence = 1 << 2 + left & 3;
    let negative = -left.abs();
    let modulo = left % 1;
    let mut total = 0;
    total = total + sum;
    total += 1;
    Ok(total
        + quotient
        + shifted
        + same
        + identity
        + erased
        + power as i32
        + precedence
        + negative
        + modulo)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn arithmetic_async(left: i32, right: i32, float: f32) -> Answer<i32> {
    let sum = left + right * 2 - 1;
    let quotient = left / right % 3;
    let half = float * 0.5 + 1.0;
    let same = left - left;
    let identity = left * 1 + 0;
    let mut total = 0;
    total = total + sum;
    Ok(total + quotient + same + identity + half as i32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn compares(left: u32, right: u32, text: &str, float: f64) -> Answer<bool> {
    if left == left || text == "" || text.len() == 0 || left >= 0 {
        return Ok(float == 1.0);
    }
    if left > right {
        return Ok(true);
    } else if left < right {
        return Ok(false);
    } else if left == right {
        return Ok(!(left == 1));
    }
    let yoda = 1 == left;
    if yoda == true {}
    if !yoda == false {}
    if left > 1 && left > 1 {}
    if left != 1 || left != 2 {}
    let range = left >= 1 && left < 5;
    Ok(if range { true } else { false })
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn casts(number: u64, signed: i8, text: &str, pointer: &u32) -> Answer<u32> {
    let truncated = number as u32;
    let signless = signed as u8;
    let widened = signed as i64;
    let same = truncated as u32;
    let float = number as f32;
    let letter = 'a' as u8;
    let address = pointer as *const u32 as usize;
    let object = &number as &dyn std::fmt::Debug;
    let function = casts as usize;
    let precise = 1.0 as f32;
    drop((object, text as &str));
    Ok(same
        + u32::from(signless)
        + widened as u32
        + float as u32
        + u32::from(letter)
        + address as u32
        + function as u32
        + precise as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub async fn casts_async(number: u64, signed: i8) -> Answer<u32> {
    let truncated = number as u32;
    let signless = signed as u8;
    let widened = signed as i64;
    let same = truncated as u32;
    Ok(same + signless as u32 + widened as u32)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn literals() -> Answer<f64> {
    let long = 1234567890;
    let mixed = 12_3456_78;
    let hex = 0xabCD;
    let suffixed = 1u32;
    let separated = 1_u32;
    let zero = 012;
    let pi = 3.14;
    let excessive = 1.123456789123456789_f32;
    let lone = 1.;
    let raw = r#"text"#;
    let escaped = "tab\tbell\x07{}";
    let letter = "a".split("a").count();
    let formatted = format!("{:?} {0} {}", raw, escaped);
    drop((long, mixed, hex, suffixed, separated, zero, excessive, letter, formatted));
    Ok(pi + lone)
}

#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn bits(flags: u32, other: u32) -> Answer<bool> {
    let masked = flags & 1 == 2;
    let even = flags & 1 == 0;
    let power = flags & (flags - 1) == 0;
    let rotated = (flags << 8) | (flags >> 24);
    let half = (flags + other) / 2;
    let difference = if flags > other { flags - other } else { other - flags };
    let ceiling = (flags + (other - 1)) / other;
    let bytes = std::mem::size_of::<u32>() * 8;
    Ok(masked || even || power || rotated == half || difference == ceiling || bytes == 3)
}
