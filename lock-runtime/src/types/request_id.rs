//! The name of one request.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The 128-bit id of one request, unique by chance: it is one of a sequence that starts at random.
/// Its owner alone can renew and release what was granted to it.
///
/// Bytes, because the alignment of a `u128` makes tables larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The id of no request.
    pub const NONE: Self = Self([0; 16]);

    /// From bits that the caller provides, spread as random ones are.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// Some of the bits, as a number in `0..256`: spreads the renewals of many holds.
    #[must_use]
    pub const fn jitter(self) -> u8 {
        self.0[0]
    }

    /// The 32 hexadecimal digits that `Display` writes.
    pub(crate) fn hex(self) -> [u8; 32] {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        digits
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // `from_str_radix` accepts a sign.
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits { u128::from_str_radix(text, 16).ok().map(Self::from_bits) } else { None }
    }
}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.bits());
    }
}

/// By request id.
pub type RequestMap<V> = HashMap<RequestId, V, BuildHasherDefault<IdentityHasher>>;

/// Uses the bits of a request id as the hash: they are spread already.
#[derive(Debug, Default)]
pub struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, bits: u128) {
        // Both halves, as a v4 UUID has fixed bits in each.
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        self.0 = half(bits >> 64) ^ half(bits).rotate_left(32);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.bits())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to distinguish two in a log, too little to release another's lock.
        write!(f, "RequestId({:08x}…)", self.bits() >> 96)
    }
}

#[cfg(test)]
mod tests;
