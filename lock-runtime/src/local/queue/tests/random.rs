//! Random sequences of events, checked against a model.

pub(crate) mod model;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::local::queue::tests::random::model::{Model, ModelSection};
use crate::local::queue::{AcquireParams, LeaseTerms};

/// A random event. An index picks from what there is at that time.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Milliseconds pass. Ticks may come late.
    Pass(u64),
    /// Ticks that are due until then.
    FireTimers(u64),
    Join(Want),
    /// Takes a lingering lease. If that is not possible it joins, as callers do.
    Take(Want),
    Cancel(prop::sample::Index),
    /// The server grants the request: whether others wait, a number of tokens, a validity.
    Granted(bool, u32, u64),
    /// The server grants a request that was cancelled meanwhile.
    GrantedLate,
    Failed,
    Released,
    ReleasedDirectly,
    /// A section under a lost lease ends.
    LostReleased(prop::sample::Index),
    Lost,
    Contended,
    Renewed(u64),
    ReleaseIdle,
}

#[derive(Clone, Copy, Debug)]
struct Want {
    once: bool,
    wait: Option<u64>,
    linger: u64,
    terms: LeaseTerms,
}

fn want() -> impl Strategy<Value = Want> {
    let terms = prop_oneof![
        8 => Just(TERMS),
        1 => Just(LeaseTerms { renew: false, ..TERMS }),
        1 => Just(LeaseTerms { ttl: Nanos::of(ms(400)), ..TERMS }),
        1 => Just(LeaseTerms { max_hold: Some(Nanos::of(ms(900))), ..TERMS }),
    ];
    let wait = prop_oneof![
        2 => Just(None),
        1 => (1..60u64).prop_map(Some),
        1 => (1..9000u64).prop_map(Some),
    ];
    let linger = prop_oneof![2 => Just(0u64), 1 => 1..100u64, 1 => Just(60_000)];
    (prop::bool::weighted(0.1), wait, linger, terms).prop_map(|(once, wait, linger, terms)| Want {
        once,
        wait,
        linger,
        terms,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    let span = || prop_oneof![6 => 0..20u64, 2 => 0..400u64, 1 => 0..12_000u64];
    let validity = prop_oneof![1 => 1..600u64, 3 => Just(30_000u64)];
    prop_oneof![
        4 => span().prop_map(Event::Pass),
        3 => span().prop_map(Event::FireTimers),
        10 => want().prop_map(Event::Join),
        3 => want().prop_map(Event::Take),
        3 => index().prop_map(Event::Cancel),
        8 => (prop::bool::weighted(0.3), 1..=u32::MAX, validity)
            .prop_map(|(contended, part, left)| Event::Granted(contended, part, left)),
        1 => Just(Event::GrantedLate),
        1 => Just(Event::Failed),
        12 => Just(Event::Released),
        1 => Just(Event::ReleasedDirectly),
        2 => index().prop_map(Event::LostReleased),
        1 => Just(Event::Lost),
        2 => Just(Event::Contended),
        1 => (1..40_000u64).prop_map(Event::Renewed),
        1 => Just(Event::ReleaseIdle),
    ]
}

impl Want {
    #[track_caller]
    fn params(self, now: u64) -> AcquireParams {
        AcquireParams {
            label: None,
            deadline: self.wait.map(|wait| at(now + wait)),
            queue: !self.once,
            alone: false,
            terms: self.terms,
            linger: Nanos::of(ms(self.linger)),
            ..params(now)
        }
    }
}

impl Model {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Pass(span) => self.now += span,
            Event::FireTimers(span) => self.fire_timers(span),
            Event::Join(want) => self.join(want.params(self.now)),
            Event::Take(want) => {
                let params = want.params(self.now);
                if !self.take_idle(params) {
                    self.join(params);
                }
            }
            Event::Cancel(index) => self.cancel(index),
            Event::Granted(contended, part, left) => self.granted(contended, part, left),
            Event::GrantedLate => self.granted_late(),
            Event::Failed => self.failed(),
            Event::Released => self.released(),
            Event::ReleasedDirectly => self.released_directly(),
            Event::LostReleased(index) => {
                if !self.lost.is_empty() {
                    let ModelSection { id, fence } = self.lost.remove(index.index(self.lost.len()));
                    self.release_lost(id, fence);
                }
            }
            Event::Lost => self.lose(),
            Event::Contended => self.contended(),
            Event::Renewed(left) => self.renewed(left),
            Event::ReleaseIdle => self.release_idle(),
        }
        self.check();
    }

    /// Ends all sections and grants all requests, until nobody waits.
    fn wind_up(&mut self) {
        while let Some(ModelSection { id, fence }) = self.lost.pop() {
            self.release_lost(id, fence);
        }
        for _ in 0..10_000 {
            self.granted(false, u32::MAX, 30_000);
            self.released();
            self.release_idle();
            self.check();
            if self.queue.is_vacant() {
                return self.assert_all_released();
            }
        }
        panic!("the queue never becomes vacant");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_grants_one_section_at_a_time_and_releases_everything(
        events in vec(event(), 1..150),
    ) {
        let mut model = Model::new();
        for event in events {
            model.happen(event);
        }
        model.wind_up();
    }
}
