//! The slots of a Redis Cluster: which one a name is in, and a tag for the names of each.

use std::sync::LazyLock;

/// One of the parts into which a cluster divides its keys. Each has one master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many there are.
    pub const COUNT: usize = 16_384;

    /// The slot with this number, if there is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (usize::from(number) < Self::COUNT).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The slot of all names with this hash tag.
    pub(crate) fn of_tag(tag: &[u8]) -> Self {
        Self::of_crc(tag.iter().fold(0, |crc, &byte| add(crc, byte)))
    }

    /// The same for a key that is its own tag; `None` for one with a brace or without any byte.
    pub(crate) fn of_plain_key(key: &str) -> Option<Self> {
        let mut crc = 0;
        for &byte in key.as_bytes() {
            if let b'{' | b'}' = byte {
                return None;
            }
            crc = add(crc, byte);
        }
        (!key.is_empty()).then_some(Self::of_crc(crc))
    }

    const fn of_crc(crc: u16) -> Self {
        Self(crc & 0x3fff)
    }

    /// The smallest decimal number that is a hash tag of this slot.
    pub(crate) fn tag(self) -> &'static str {
        static TAGS: LazyLock<Tags> = LazyLock::new(Tags::new);
        let (start, end) = TAGS.places[usize::from(self.0)];
        &TAGS.text[start as usize..end as usize]
    }
}

fn add(crc: u16, byte: u8) -> u16 {
    let [high, low] = crc.to_be_bytes();
    u16::from_be_bytes([low, 0]) ^ CRC[usize::from(high ^ byte)]
}

/// CRC-16 with the polynomial of XMODEM, for each value of a byte.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

/// A tag for each slot. They take a few milliseconds to find.
struct Tags {
    /// One after the other.
    text: String,
    /// Where in it the tag of each slot begins and ends.
    places: Vec<(u32, u32)>,
}

impl Tags {
    fn new() -> Self {
        let mut tags = Self { text: String::new(), places: vec![(0, 0); Slot::COUNT] };
        let mut missing = Slot::COUNT;
        for number in 0_u32.. {
            let tag = number.to_string();
            let place = &mut tags.places[usize::from(Slot::of_tag(tag.as_bytes()).0)];
            if place.1 == 0 {
                let position = |text: &String| u32::try_from(text.len()).unwrap_or(u32::MAX);
                let start = position(&tags.text);
                tags.text.push_str(&tag);
                *place = (start, position(&tags.text));
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        tags
    }
}

#[cfg(test)]
mod tests;
