//! Durations for people.

use std::fmt;
use std::time::Duration;

/// Shown in the two units that matter: `400ms`, `1.5s`, `2m 5s`, `3h 20m`, `30d`.
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match secs {
            0 if millis == 0 && !self.0.is_zero() => f.write_str("less than 1ms"),
            0 if self.0.is_zero() => f.write_str("0s"),
            0 => write!(f, "{millis}ms"),
            1..60 if millis >= 100 => write!(f, "{secs}.{}s", millis / 100),
            1..60 => write!(f, "{secs}s"),
            60..3600 => pair(f, secs / 60, "m", secs % 60, "s"),
            3600..86_400 => pair(f, secs / 3600, "h", secs % 3600 / 60, "m"),
            _ => pair(f, secs / 86_400, "d", secs % 86_400 / 3600, "h"),
        }
    }
}

fn pair(f: &mut fmt::Formatter<'_>, large: u64, unit: &str, small: u64, part: &str) -> fmt::Result {
    write!(f, "{large}{unit}")?;
    if small > 0 { write!(f, " {small}{part}") } else { Ok(()) }
}

#[cfg(test)]
mod tests;
