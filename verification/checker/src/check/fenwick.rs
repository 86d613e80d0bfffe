/// A Fenwick tree that counts the marked indices below an index.
pub(super) struct Fenwick {
    sums: Vec<i32>,
}

impl Fenwick {
    pub(super) fn new(len: usize) -> Self {
        Self { sums: vec![0; len + 1] }
    }

    pub(super) fn mark(&mut self, index: usize) {
        self.add(index, 1);
    }

    pub(super) fn unmark(&mut self, index: usize) {
        self.add(index, -1);
    }

    pub(super) fn below(&self, index: usize) -> u32 {
        let (mut at, mut count) = (index, 0);
        while at > 0 {
            count += self.sums[at];
            at &= at - 1;
        }
        u32::try_from(count).expect("each mark is removed at most once")
    }

    fn add(&mut self, index: usize, by: i32) {
        let mut at = index + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += by;
            at += at & at.wrapping_neg();
        }
    }
}
