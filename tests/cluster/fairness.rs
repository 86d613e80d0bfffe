//! The record of a long run, and its properties.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use redis::Connection;

/// Nanoseconds since 1970: all processes of one host read the same clock.
pub fn wall_clock() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

/// One run of the locked function.
pub struct Section {
    pub worker: String,
    pub nonce: String,
    pub fence: u64,
    pub asked: u64,
    pub entered: u64,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, nonce, fence, asked, entered } = self;
        write!(f, "{worker} {nonce} {fence} {asked} {entered}")
    }
}

impl Section {
    pub fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().expect("a number");
        Self {
            worker: words[0].to_owned(),
            nonce: words[1].to_owned(),
            fence: number(2),
            asked: number(3),
            entered: number(4),
        }
    }
}

/// The request that a hold belongs to, from the text in its key.
pub fn nonce_of(hold: &str) -> String {
    hold.get(4..36).unwrap_or_else(|| panic!("not a hold: {hold}")).to_owned()
}

/// Requests that were in the queue before `at`, in its order.
pub struct Glimpse {
    at: u64,
    queued: Vec<String>,
}

pub fn glimpse(connection: &mut Connection, key: &str) -> Option<Glimpse> {
    let mut queue = redis::cmd("ZRANGE");
    queue.arg(format!("lock:{{{key}}}:queue")).arg(0).arg("+inf").arg("BYSCORE");
    let queued: Vec<String> = queue.query(connection).unwrap();
    (!queued.is_empty()).then(|| Glimpse { at: wall_clock(), queued })
}

/// A queued request is served before all later ones, except for up to `bound` local handoffs of the
/// holder and of each process before it in the queue. All requests are served.
pub fn assert_turns(sections: &mut [Section], glimpses: &[Glimpse], workers: usize, bound: usize) {
    sections.sort_by_key(|section| section.fence);
    assert!(sections.is_sorted_by(|a, b| a.fence < b.fence), "two sections show one token");
    assert!(sections.is_sorted_by(|a, b| a.entered < b.entered), "tokens out of order in time");
    assert_eq!(count_by_worker(sections).len(), workers, "a worker never had its turn");
    print(sections, glimpses);
    let mut places = HashMap::new();
    for (place, section) in sections.iter().enumerate() {
        places.entry(section.nonce.as_str()).or_insert(place);
    }
    let mut looked_at = 0;
    for glimpse in glimpses {
        let served = |nonce: &String| places.get(nonce.as_str()).copied();
        let served: Vec<_> = glimpse.queued.iter().filter_map(served).collect();
        assert!(served.is_sorted(), "the queue was not served in its order");
        for (before, &place) in served.iter().enumerate() {
            // More than the possible number of bypasses, and few enough to check each.
            let around = &sections[place.saturating_sub((bound + 1) * (before + 2) * 4)..place];
            let passed = around.iter().filter(|section| section.asked > glimpse.at).count();
            assert!(
                passed <= bound * (before + 1),
                "a waiter with {before} before it was passed over by {passed} that asked later"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "the queue was seen {looked_at} times only");
}

fn count_by_worker(sections: &[Section]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for section in sections {
        *counts.entry(section.worker.as_str()).or_default() += 1;
    }
    counts
}

fn print(sections: &[Section], glimpses: &[Glimpse]) {
    let counts = count_by_worker(sections);
    let (least, most) = (counts.values().min(), counts.values().max());
    let waited = sections.iter().map(|section| section.entered.saturating_sub(section.asked));
    let longest = Duration::from_nanos(waited.max().unwrap_or(0));
    println!(
        "{} sections, {least:?} to {most:?} per worker, longest wait {longest:?}, {} glimpses",
        sections.len(),
        glimpses.len()
    );
}
