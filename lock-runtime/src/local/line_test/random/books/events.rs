//! What can happen to a line, done and noted.

use super::*;
use crate::local::line_test::random::books::{Books, Section};
use crate::local::tenure::RunningSection;
use crate::local::waiting::AcquireParams;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::request_id::Nonce;
use crate::wire::reply::Grant;

impl Books {
    pub(crate) fn ring(&mut self, span: u64) {
        self.now += span;
        let now = self.now();
        while self.alarms.last().is_some_and(|&alarm| alarm <= now) {
            self.alarms.pop();
        }
        let due: Vec<_> =
            self.unknown().map(|(&who, waiter)| (who, waiter.params.deadline)).collect();
        let expired: Vec<_> = due
            .into_iter()
            .filter(|(_, deadline)| deadline.is_some_and(|deadline| deadline <= now))
            .map(|(who, _)| who)
            .collect();
        let show = |inside: &RunningSection| holder(inside.nonce, inside.fence);
        let rung = self.line.tick(now, |_| elsewhere(), show);
        let heard: Vec<_> = rung.expired.iter().map(|(who, _)| *who).collect();
        assert_eq!(heard, expired, "each hears of its deadline, and nobody else");
        for who in heard {
            self.waiting.remove(&who);
        }
        let known = usize::from(self.asked.is_some());
        let mut long = 0;
        for waiter in self.waiting.values_mut().skip(known) {
            if waiter.warn_at <= now {
                waiter.warn_at = now.plus(now.since(waiter.params.since));
                long += 1;
            }
        }
        assert_eq!(rung.long.len(), long);
        self.heed(rung.moves);
    }

    pub(crate) fn join(&mut self, params: AcquireParams) {
        if !params.queue && !self.line.is_open() {
            return;
        }
        self.people += 1;
        let (number, moves) = self.line.join(self.now(), params, self.people);
        let warn_at = params.since.plus(ms(10_000));
        self.waiting.insert(self.people, ModelWaiter { number, params, warn_at });
        self.hand_over(moves);
    }

    pub(crate) fn take(&mut self, params: AcquireParams) -> bool {
        let Some(moves) = self.line.take(self.now(), params) else { return false };
        assert!(moves.end.is_none() && moves.ask.is_none() && moves.alarm.is_none());
        assert!(self.waiting.is_empty(), "it comes before others");
        let serve = moves.serve.expect("it begins");
        self.serve(serve.nonce, serve.fence, serve.valid_until);
        let hold = self.hold.as_mut().unwrap();
        assert!(!hold.waited_for, "kept although others wait");
        if let Some(left) = &mut hold.left {
            *left = left.checked_sub(1).expect("entered too often");
        }
        true
    }

    pub(crate) fn leave(&mut self, index: prop::sample::Index) {
        if self.waiting.is_empty() {
            return;
        }
        let who = *self.waiting.keys().nth(index.index(self.waiting.len())).unwrap();
        let was_known = self.known() == Some(who);
        let ModelWaiter { number, .. } = self.waiting.remove(&who).unwrap();
        let moves = self.line.leave(number);
        let told = moves.end.is_some() || moves.ask.is_some();
        assert_eq!(told, was_known, "the server hears of the one it knows");
        self.heed(moves);
    }

    pub(crate) fn granted(&mut self, waited_for: bool, part: u32, left: u64) {
        let Some((name, block)) = self.asked.take() else { return };
        let size = 1 + part % block;
        let fences = FenceBlock::new(Fence::new(self.next_fence), size);
        self.next_fence += u64::from(size);
        let valid_until = at(self.now + left);
        let waited_for_by_now = waited_for || self.asked_is_waited_for;
        if waited_for_by_now {
            self.shared_until = self.now + 1000;
        }
        let left = (self.now < self.shared_until).then_some(BOUND);
        self.hold = Some(Hold {
            nonce: name,
            valid_until,
            running: None,
            left,
            waited_for: waited_for_by_now,
        });
        let moves = self.line.granted(self.now(), name, Grant { fences, waited_for }, valid_until);
        assert!(moves.serve.is_some(), "the one that it was asked for gets it");
        self.heed(moves);
    }

    pub(crate) fn granted_late(&mut self) {
        let Some(name) = self.withdrawn.pop() else { return };
        let fences = FenceBlock::new(Fence::new(self.next_fence), 4);
        self.next_fence += 4;
        let grant = Grant { fences, waited_for: false };
        let moves = self.line.granted(self.now(), name, grant, at(self.now + 1000));
        assert_eq!(moves.end, Some(name), "it goes back");
        assert!(moves.ask.is_none() && moves.serve.is_none());
    }

    pub(crate) fn failed(&mut self) {
        let Some((name, _)) = self.asked.take() else { return };
        self.owed.remove(&name);
        let first = self.waiting.pop_first().expect("asked for somebody").0;
        let (slot, moves) = self.line.failed(self.now(), name);
        assert_eq!(slot, Some(first));
        self.heed(moves);
    }

    fn running(&mut self) -> Option<Section> {
        let hold = self.hold.as_mut()?;
        hold.running.take().map(|fence| Section { nonce: hold.nonce, fence })
    }

    pub(crate) fn released(&mut self) {
        let Some(Section { nonce, fence }) = self.running() else { return };
        let moves = self.line.released(self.now(), nonce, fence);
        self.hand_over(moves);
    }

    pub(crate) fn given_up(&mut self) {
        let Some(Section { nonce, .. }) = self.running() else { return };
        self.owed.remove(&nonce);
        self.hold = None;
        let moves = self.line.given_up(nonce);
        self.heed(moves);
    }

    pub(crate) fn end_of_lost(&mut self, name: Nonce, fence: Fence) {
        let moves = self.line.released(self.now(), name, fence);
        assert_eq!(moves.end, Some(name), "released once its section has ended");
        assert!(moves.serve.is_none() && moves.ask.is_none());
        self.heed(moves);
    }

    pub(crate) fn lose(&mut self) {
        let Some(hold) = &self.hold else { return };
        let nonce = hold.nonce;
        if let Some(section) = self.running() {
            self.lost.push(section);
            self.hold = None;
        }
        let moves = self.line.lost(nonce);
        assert!(moves.serve.is_none());
        self.heed(moves);
        assert!(self.hold.is_none(), "a hold that was lost with nobody inside is ended");
    }

    pub(crate) fn waited_for(&mut self) {
        self.asked_is_waited_for |= self.asked.is_some();
        if let Some(hold) = &mut self.hold {
            hold.waited_for = true;
            hold.left.get_or_insert(BOUND);
            self.shared_until = self.now + 1000;
        }
        let name = self.hold.as_ref().map(|hold| hold.nonce).or(self.asked.map(|asked| asked.0));
        let Some(name) = name else { return };
        let moves = self.line.waited_for(self.now(), name);
        assert!(moves.serve.is_none() && moves.ask.is_none());
        self.heed(moves);
        let idle = self.hold.as_ref().is_some_and(|hold| hold.running.is_none());
        assert!(!idle, "kept although others wait");
    }

    pub(crate) fn extended(&mut self, left: u64) {
        let valid_until = at(self.now + left);
        let Some(hold) = &mut self.hold else { return };
        hold.valid_until = valid_until;
        self.line.extended(hold.nonce, valid_until);
    }

    pub(crate) fn settle(&mut self) {
        let moves = self.line.settle();
        self.heed(moves);
    }
}
