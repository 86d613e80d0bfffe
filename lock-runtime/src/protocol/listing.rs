//! Which servers a listing of all locks walks over, and how far it is.
//!
//! What a server has during a whole walk over its keys, the walk finds. A walk starts over on each
//! new connection: another server may be behind it, which does not know the place of the first one.
//!
//! In a cluster a lock that moves with its slot may be on each of two nodes at the wrong time. The
//! walk therefore goes over all nodes twice. A lock that moves while the first round is under way
//! is where the second one finds it; one that moves later was where the first one has found it.
//! Before each round the nodes are discovered, so that none is missing that had slots by then.
//!
//! A node that cannot be asked comes after the others: what they have may be all that is needed.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::types::time::Timestamp;

/// How far a walk over the keys of one server is. It counts on one connection only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanCursor {
    connected_at: Timestamp,
    next: u64,
}

impl ScanCursor {
    pub(crate) const START: Self = Self { connected_at: Timestamp::ZERO, next: 0 };

    /// By what a server has answered on this connection; `None` at the end.
    pub(crate) fn new(connected_at: Timestamp, next: u64) -> Option<Self> {
        (next != 0).then_some(Self { connected_at, next })
    }

    /// Where to go on, on the connection that was made then.
    pub(crate) fn on(self, connected_at: Timestamp) -> u64 {
        if self.connected_at == connected_at { self.next } else { 0 }
    }
}

/// What a listing needs next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ListStep<N> {
    /// Find out which nodes there are.
    Discover,
    /// Walk on over the keys of this node.
    Scan(N, ScanCursor),
    Done,
}

/// A listing of the locks on all nodes.
pub(crate) struct Listing<N> {
    /// How many rounds are left, with the one that is under way.
    rounds: u32,
    /// Whether the nodes were discovered for this round.
    is_discovered: bool,
    /// The nodes of this round that are done.
    done: Vec<N>,
    /// The node that is not.
    current: Option<(N, ScanCursor)>,
    /// Nodes that could not be asked.
    postponed: VecDeque<(N, ScanCursor)>,
}

impl<N: Clone + PartialEq> Listing<N> {
    pub(crate) fn of_server() -> Self {
        let (done, postponed) = (Vec::new(), VecDeque::new());
        Self { rounds: 1, is_discovered: true, done, current: None, postponed }
    }

    pub(crate) fn of_cluster() -> Self {
        Self { rounds: 2, is_discovered: false, ..Self::of_server() }
    }

    /// The next step. `nodes`: all that may have locks at present.
    pub(crate) fn step(&mut self, nodes: &[N]) -> ListStep<N> {
        loop {
            if self.rounds == 0 {
                return ListStep::Done;
            }
            if !self.is_discovered {
                return ListStep::Discover;
            }
            // What another node has taken over is there.
            self.current.take_if(|(node, _)| !nodes.contains(node));
            self.postponed.retain(|(node, _)| nodes.contains(node));
            if self.current.is_none() {
                let is_new = |node: &&N| {
                    !self.done.contains(node)
                        && self.postponed.iter().all(|(other, _)| other != *node)
                };
                let next = nodes.iter().find(is_new).map(|node| (node.clone(), ScanCursor::START));
                self.current = next.or_else(|| self.postponed.pop_front());
            }
            if let Some((node, cursor)) = &self.current {
                return ListStep::Scan(node.clone(), *cursor);
            }
            self.rounds -= 1;
            self.is_discovered = false;
            self.done.clear();
        }
    }

    /// The nodes were discovered.
    pub(crate) fn discovered(&mut self) {
        self.is_discovered = true;
    }

    /// The last step of the walk was not answered.
    pub(crate) fn failed(&mut self) {
        self.postponed.extend(self.current.take());
    }

    /// A step of the walk over this node is done, and this is where it goes on.
    pub(crate) fn scanned(&mut self, node: N, next: Option<ScanCursor>) {
        if next.is_none() {
            self.done.push(node.clone());
        }
        self.current = next.map(|cursor| (node, cursor));
    }
}
