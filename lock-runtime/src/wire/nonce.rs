//! The name of one request.

use std::fmt;

/// A random 128-bit name of one request for a key: whoever shows it owns what was granted to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(u128);

impl Nonce {
    /// A nonce from random bits that the caller brings (a v4 UUID in the library, a seed in simulations).
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Some of the random bits, as a number in `0..256`: spreads the renewals of many holds.
    #[must_use]
    pub const fn jitter(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 32 { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two apart in a log, too little to release somebody's lock with.
        write!(f, "Nonce({:08x}…)", self.0 >> 96)
    }
}
