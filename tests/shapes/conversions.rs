//! Conversions, readers and writers: methods of the standard library's traits, some with a room for
//! the error and some without.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use distlock::distributed_lock;

use super::support::{Error, support};

#[derive(Debug, PartialEq)]
struct Amount(u32);

// 132
impl fmt::Display for Amount {
    #[distributed_lock("operators:display", on_error = |_| Err(fmt::Error))]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl FromStr for Amount {
    type Err = Error;

    #[distributed_lock("operators:parse:{text}")]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse().map_err(|_| Error::Own("no number"))?))
    }
}

impl TryFrom<u64> for Amount {
    type Error = anyhow::Error;

    #[distributed_lock("operators:from:{value}")]
    fn try_from(value: u64) -> Result<Self, Self::Error> {
        Ok(Self(value.try_into()?))
    }
}

impl From<Infallible> for Amount {
    #[distributed_lock("operators:never", on_error = panic)]
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[test]
fn conversions_are_locked() {
    support();
    let amount: Amount = "3".parse().expect("free");
    assert_eq!(amount.to_string(), "3");
    assert!("x".parse::<Amount>().is_err());
    assert!(Amount::try_from(u64::MAX).is_err());
    assert_eq!(Amount::try_from(4).expect("free"), Amount(4));
    let _ = <Amount as From<Infallible>>::from;
}

#[derive(Default)]
struct Shelf {
    items: Vec<u32>,
}

// 133
impl Read for Shelf {
    #[distributed_lock("operators:read")]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(byte) = bytes.first_mut() else { return Ok(0) };
        *byte = 7;
        Ok(1)
    }
}

impl Write for Shelf {
    #[distributed_lock("operators:write")]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.items.extend(bytes.iter().map(|byte| u32::from(*byte)));
        Ok(bytes.len())
    }

    #[distributed_lock("operators:flush")]
    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported)?
    }
}

#[test]
fn readers_and_writers_are_locked() {
    support();
    let (mut shelf, mut bytes) = (Shelf::default(), [0; 2]);
    shelf.write_all(&[1, 2]).expect("free");
    shelf.read_exact(&mut bytes).expect("free");
    assert_eq!((shelf.items.as_slice(), bytes), ([1, 2].as_slice(), [7, 7]));
    assert_eq!(shelf.flush().expect_err("refused").kind(), io::ErrorKind::Unsupported);
}
