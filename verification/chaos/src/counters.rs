//! Counters without any protection of their own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use checker::Request;

/// One counter for each key, in a file that all processes share. They survive whatever happens to the lock's server, and two
/// sections at once make them wrong.
#[derive(Debug)]
pub struct Counters {
    file: File,
}

/// What a counter stands at, and who put it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub number: u64,
    /// The request under which it was written last; zero if none was.
    pub by: Request,
}

const SIZE: usize = 16;

impl Counters {
    /// So many, all at zero.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path, keys: u32) -> io::Result<Self> {
        let file = File::options().create_new(true).read(true).write(true).open(path)?;
        file.set_len(u64::from(keys) * SIZE as u64)?;
        Ok(Self { file })
    }

    /// Those that are there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().read(true).write(true).open(path)? })
    }

    /// What the counter of a key stands at.
    #[must_use]
    pub fn read(&self, key: u32) -> Count {
        let mut bytes = [0; SIZE];
        self.file.read_exact_at(&mut bytes, place(key)).expect("every key has a counter");
        let bytes = u128::from_le_bytes(bytes);
        let low = |bytes: u128| u64::try_from(bytes & u128::from(u64::MAX)).expect("masked");
        Count { number: low(bytes), by: low(bytes >> 64) }
    }

    /// Puts it there.
    pub fn write(&self, key: u32, count: Count) {
        let bytes = u128::from(count.number) | u128::from(count.by) << 64;
        self.file.write_all_at(&bytes.to_le_bytes(), place(key)).expect("every key has a counter");
    }
}

fn place(key: u32) -> u64 {
    u64::from(key) * SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_writes_another_one_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counters");
        let one = Counters::create(&path, 3).unwrap();
        let other = Counters::open(&path).unwrap();
        assert_eq!(other.read(2), Count { number: 0, by: 0 });
        let count = Count { number: u64::MAX - 1, by: 7 };
        one.write(2, count);
        assert_eq!((other.read(2), other.read(1).number), (count, 0));
    }
}
