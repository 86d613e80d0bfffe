//! Builds histories for tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use checker::{Event, EventKind, Nanos, Property, Refusal, Report, Request, Rules, check};

/// A millisecond, the unit of instants in these tests.
pub const MS: Nanos = 1_000_000;

/// Slack 10 ms, bound 2, takeover outer 50 ms.
pub fn rules() -> Rules {
    Rules { lossless: true, slack: 10 * MS, max_bypass: Some(2), takeover: Some(50 * MS) }
}

/// The same rules with faults that lose data.
pub fn lossy() -> Rules {
    Rules { lossless: false, ..rules() }
}

/// A history under construction. Request `n` is made by task `n` of process `n / 100`, for key `n /
/// 10 % 10`; a wait has a deadline in its second second, a hold is valid until then.
#[derive(Clone, Default)]
pub struct History(pub Vec<Event>);

impl History {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn at(mut self, ms: u64, process: u32, kind: EventKind) -> Self {
        self.0.push(Event { at: ms * MS, process, task: 0, kind });
        self
    }

    fn of(mut self, ms: u64, request: Request, kind: EventKind) -> Self {
        let number = u32::try_from(request).unwrap();
        self.0.push(Event { at: ms * MS, process: number / 100, task: number, kind });
        self
    }

    pub fn requests(self, ms: u64, request: Request) -> Self {
        self.requests_until(ms, request, Some(1_500))
    }

    pub fn requests_until(self, ms: u64, request: Request, deadline: Option<u64>) -> Self {
        let deadline = deadline.map(|ms| ms * MS);
        self.of(
            ms,
            request,
            EventKind::Requested { request, key: key(request), deadline, must_succeed: false },
        )
    }

    pub fn must_get(self, ms: u64, request: Request) -> Self {
        let deadline = Some(1_500 * MS);
        self.of(
            ms,
            request,
            EventKind::Requested { request, key: key(request), deadline, must_succeed: true },
        )
    }

    pub fn queued(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::Queued { request })
    }

    pub fn acquires(self, ms: u64, request: Request, fence: u64) -> Self {
        self.acquires_until(ms, request, fence, 2_000)
    }

    pub fn acquires_until(self, ms: u64, request: Request, fence: u64, until: u64) -> Self {
        let valid_until = until * MS;
        self.of(ms, request, EventKind::Acquired { request, fence, valid_until, outer: None })
    }

    pub fn re_enters(self, ms: u64, request: Request, fence: u64, outer: Request) -> Self {
        self.re_enters_until(ms, request, fence, outer, 2_000)
    }

    pub fn re_enters_until(
        self,
        ms: u64,
        request: Request,
        fence: u64,
        outer: Request,
        until: u64,
    ) -> Self {
        let (valid_until, outer) = (until * MS, Some(outer));
        self.of(ms, request, EventKind::Acquired { request, fence, valid_until, outer })
    }

    pub fn keeps(self, ms: u64, request: Request, until: u64) -> Self {
        self.of(ms, request, EventKind::Kept { request, until: until * MS })
    }

    pub fn extends(self, ms: u64, request: Request, until: u64) -> Self {
        self.of(ms, request, EventKind::Extended { request, until: until * MS })
    }

    pub fn loss_reported(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::LossReported { request })
    }

    pub fn releases(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::Released { request })
    }

    pub fn refused(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::Refused { request, why: Refusal::Busy })
    }

    pub fn cancelled(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::Cancelled { request })
    }

    pub fn writes(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::RegisterWrite { request, accepted: true })
    }

    pub fn write_rejected(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, EventKind::RegisterWrite { request, accepted: false })
    }

    pub fn updates_counter(self, ms: u64, request: Request, read: u64) -> Self {
        self.of(ms, request, EventKind::CounterUpdate { request, read })
    }

    pub fn total(self, ms: u64, key: u32, count: u64) -> Self {
        self.at(ms, 0, EventKind::CounterTotal { key, count })
    }

    pub fn paused(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, EventKind::Paused(true))
    }

    pub fn resumed(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, EventKind::Paused(false))
    }

    pub fn stalled(self, from: u64, to: u64, process: u32) -> Self {
        self.at(to, process, EventKind::Stalled { since: from * MS })
    }

    pub fn crashed(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, EventKind::Crashed)
    }

    pub fn fault(self, ms: u64) -> Self {
        self.at(ms, 0, EventKind::Fault("the server loses all data".into()))
    }

    pub fn leaks(self, count: u64) -> Self {
        self.at(3_000, 0, EventKind::Leak { resource: "keys".into(), count })
    }

    /// A whole section without waiting.
    pub fn section(self, from: u64, to: u64, request: Request, fence: u64) -> Self {
        self.requests(from, request).acquires(from, request, fence).releases(to, request)
    }

    pub fn check(&self, rules: &Rules) -> Report {
        check(&self.0, rules)
    }

    #[track_caller]
    pub fn passes(&self) -> Report {
        self.passes_under(&rules())
    }

    #[track_caller]
    pub fn passes_under(&self, rules: &Rules) -> Report {
        let report = self.check(rules);
        assert!(report.is_right(), "{:#?}", report.violations);
        report
    }

    /// Violates this property once, and no other.
    #[track_caller]
    pub fn breaks(&self, property: Property) -> Report {
        self.breaks_under(&rules(), property)
    }

    #[track_caller]
    pub fn breaks_under(&self, rules: &Rules, property: Property) -> Report {
        let report = self.check(rules);
        let found: Vec<_> = report.violations.iter().map(|one| one.property).collect();
        assert_eq!(found, [property], "{:#?}", report.violations);
        report
    }
}

fn key(request: Request) -> u32 {
    u32::try_from(request / 10 % 10).unwrap()
}
