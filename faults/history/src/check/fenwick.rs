//! Counts below an index.

/// Counts how many of the marked indices lie below one: a Fenwick tree.
#[derive(Default)]
pub(super) struct Fenwick {
    sums: Vec<u32>,
}

impl Fenwick {
    /// Makes room for indices below this.
    pub(super) fn reach(&mut self, len: usize) {
        self.sums.clear();
        self.sums.resize(len + 1, 0);
    }

    /// Marks an index.
    pub(super) fn mark(&mut self, index: usize) {
        let mut at = index + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many marked ones lie below.
    pub(super) fn below(&self, index: usize) -> u32 {
        let (mut at, mut count) = (index, 0);
        while at > 0 {
            count += self.sums[at];
            at &= at - 1;
        }
        count
    }
}
