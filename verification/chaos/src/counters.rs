use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use checker::Request;

/// One counter for each key, in a file that all processes share. Counters survive faults of the
/// server, and two overlapping sections make them wrong.
#[derive(Debug)]
pub struct Counters {
    file: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub number: u64,
    /// The request that wrote it last; 0 if none did.
    pub by: Request,
}

const SIZE: usize = 16;

impl Counters {
    pub fn create(path: &Path, keys: u32) -> io::Result<Self> {
        let file = File::options().create_new(true).read(true).write(true).open(path)?;
        file.set_len(u64::from(keys) * SIZE as u64)?;
        Ok(Self { file })
    }

    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().read(true).write(true).open(path)? })
    }

    #[must_use]
    pub fn read(&self, key: u32) -> Count {
        let mut bytes = [0; SIZE];
        self.file.read_exact_at(&mut bytes, place(key)).expect("every key has a counter");
        let bytes = u128::from_le_bytes(bytes);
        let low = |bytes: u128| u64::try_from(bytes & u128::from(u64::MAX)).expect("masked");
        Count { number: low(bytes), by: low(bytes >> 64) }
    }

    pub fn write(&self, key: u32, count: Count) {
        let bytes = u128::from(count.number) | u128::from(count.by) << 64;
        self.file.write_all_at(&bytes.to_le_bytes(), place(key)).expect("every key has a counter");
    }
}

fn place(key: u32) -> u64 {
    u64::from(key) * SIZE as u64
}

#[cfg(test)]
mod tests;
