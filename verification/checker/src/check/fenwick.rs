//! Counts below an index.

/// Counts how many of the marked indices lie below one: a Fenwick tree.
pub(super) struct Fenwick {
    sums: Vec<i32>,
}

impl Fenwick {
    /// One without marks, for indices below this.
    pub(super) fn new(len: usize) -> Self {
        Self { sums: vec![0; len + 1] }
    }

    /// Marks an index.
    pub(super) fn mark(&mut self, index: usize) {
        self.add(index, 1);
    }

    /// Takes a mark back.
    pub(super) fn unmark(&mut self, index: usize) {
        self.add(index, -1);
    }

    /// How many marked ones lie below.
    pub(super) fn below(&self, index: usize) -> u32 {
        let (mut at, mut count) = (index, 0);
        while at > 0 {
            count += self.sums[at];
            at &= at - 1;
        }
        u32::try_from(count).expect("a mark is taken back once")
    }

    fn add(&mut self, index: usize, by: i32) {
        let mut at = index + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += by;
            at += at & at.wrapping_neg();
        }
    }
}
