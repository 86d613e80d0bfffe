//! The facade, which passes metrics on to the recorder of this thread or of the program.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Key, Label, Level, Metadata, Unit, with_recorder};

use crate::types::owner_info::{CallSite, KeyPattern};
use crate::user_code::{Helpers, off_this_thread};

pub(super) const ACQUISITIONS: &str = "distlock_acquisitions_total";
pub(super) const REENTRIES: &str = "distlock_reentries_total";
pub(super) const WAIT: &str = "distlock_wait_seconds";
pub(super) const HOLD: &str = "distlock_hold_seconds";
pub(super) const HOLDS: &str = "distlock_holds";
pub(super) const WAITING: &str = "distlock_waiting";
pub(super) const ERRORS: &str = "distlock_errors_total";
pub(super) const LOSSES: &str = "distlock_losses_total";
pub(super) const RECONNECTS: &str = "distlock_reconnects_total";
pub(super) const DISCONNECTED: &str = "distlock_disconnected";
pub(super) const OUTAGE: &str = "distlock_outage_seconds";
pub(super) const GRANTS_RESUME: &str = "distlock_grants_resume_timestamp_seconds";

const COUNTERS: [(&str, &str); 5] = [
    (ACQUISITIONS, "Locks that were acquired, from the server or by a handoff in the process"),
    (REENTRIES, "Calls that have re-entered a lock of their caller"),
    (ERRORS, "Calls that did not get their lock, by the kind of error"),
    (LOSSES, "Locks that were lost while they were held, by reason"),
    (RECONNECTS, "Connections that were made again after they were lost"),
];
const GAUGES: [(&str, Unit, &str); 4] = [
    (HOLDS, Unit::Count, "Locks that are held"),
    (WAITING, Unit::Count, "Requests that have not got their lock yet"),
    (DISCONNECTED, Unit::Count, "Connections that are down"),
    (GRANTS_RESUME, Unit::Seconds, "When the server grants locks again, in Unix time"),
];
const HISTOGRAMS: [(&str, &str); 3] = [
    (WAIT, "Time from the request of a lock to its grant"),
    (HOLD, "Time from the grant of a lock to its release"),
    (OUTAGE, "How long a connection was down, once it is made again"),
];

const METADATA: Metadata<'static> = Metadata::new("distlock", Level::INFO, Some("distlock"));

pub(super) fn describe() {
    let describe = || {
        with_recorder(|to| {
            for (name, text) in COUNTERS {
                to.describe_counter(name.into(), Some(Unit::Count), text.into());
            }
            for (name, unit, text) in GAUGES {
                to.describe_gauge(name.into(), Some(unit), text.into());
            }
            for (name, text) in HISTOGRAMS {
                to.describe_histogram(name.into(), Some(Unit::Seconds), text.into());
            }
        });
    };
    off_this_thread(describe, Helpers::record);
}

pub(super) fn count(key: Key) {
    count_by(key, 1);
}

pub(super) fn count_by(key: Key, count: u64) {
    let count = move || with_recorder(|to| to.register_counter(&key, &METADATA)).increment(count);
    off_this_thread(count, Helpers::record);
}

pub(super) fn observe(key: Key, time: Duration) {
    let time = time.as_secs_f64();
    let observe = move || with_recorder(|to| to.register_histogram(&key, &METADATA)).record(time);
    off_this_thread(observe, Helpers::record);
}

pub(super) fn add(key: Key, change: f64) {
    let add = move || with_recorder(|to| to.register_gauge(&key, &METADATA)).increment(change);
    off_this_thread(add, Helpers::record);
}

/// Sets a gauge to the Unix time that is so far away.
pub(super) fn set_time(key: Key, left: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = (now + left).as_secs_f64();
    let set = move || with_recorder(|to| to.register_gauge(&key, &METADATA)).set(time);
    off_this_thread(set, Helpers::record);
}

/// The series of a server.
pub(super) fn of_server(name: &'static str, server: &Arc<str>) -> Key {
    Key::from_parts(name, vec![Label::new("server", Arc::clone(server))])
}

/// How a lease came to the section that runs under it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    Server,
    Handoff,
}

impl Via {
    const fn label(self) -> Label {
        Label::from_static_parts(
            "via",
            match self {
                Self::Server => "server",
                Self::Handoff => "handoff",
            },
        )
    }
}

/// The series of a lock.
#[derive(Clone, Debug)]
pub(super) enum Series {
    Template(&'static TemplateLabels),
    /// With the rendered key, for a manager that asks for it.
    Key(Arc<str>),
}

#[derive(Debug)]
pub(super) struct TemplateLabels {
    plain: [Label; 1],
    from_server: [Label; 2],
    by_handoff: [Label; 2],
}

/// Those of each template that this process has used. Never removed: there are no more than places
/// in the source.
static TEMPLATES: LazyLock<RwLock<HashMap<KeyPattern, &'static TemplateLabels>>> =
    LazyLock::new(RwLock::default);

impl TemplateLabels {
    fn of(pattern: KeyPattern) -> &'static Self {
        let known = TEMPLATES.read().unwrap_or_else(PoisonError::into_inner).get(&pattern).copied();
        known.unwrap_or_else(|| Self::make(pattern))
    }

    #[cold]
    fn make(pattern: KeyPattern) -> &'static Self {
        let mut known = TEMPLATES.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(pattern).or_insert_with(|| {
            let template = match pattern.text() {
                Cow::Borrowed(text) => text,
                Cow::Owned(text) => text.leak(),
            };
            let key = Label::from_static_parts("key", template);
            Box::leak(Box::new(Self {
                plain: [key.clone()],
                from_server: [key.clone(), Via::Server.label()],
                by_handoff: [key, Via::Handoff.label()],
            }))
        })
    }
}

impl Series {
    pub(super) fn of(call_site: CallSite, label: Option<&'static str>, key: Option<&str>) -> Self {
        match key {
            Some(key) => Self::Key(key.into()),
            None => Self::Template(TemplateLabels::of(call_site.template(label))),
        }
    }

    pub(super) fn key(&self, name: &'static str) -> Key {
        match self {
            Self::Template(labels) => Key::from_static_labels(name, &labels.plain),
            Self::Key(key) => Key::from_parts(name, vec![Label::new("key", Arc::clone(key))]),
        }
    }

    pub(super) fn key_with(
        &self,
        name: &'static str,
        label: &'static str,
        value: &'static str,
    ) -> Key {
        self.key(name).with_extra_labels(vec![Label::from_static_parts(label, value)])
    }

    pub(super) fn acquisitions(&self, via: Via) -> Key {
        let labels = match (self, via) {
            (Self::Template(labels), Via::Server) => &labels.from_server,
            (Self::Template(labels), Via::Handoff) => &labels.by_handoff,
            (Self::Key(_), via) => {
                return self.key(ACQUISITIONS).with_extra_labels(vec![via.label()]);
            }
        };
        Key::from_static_labels(ACQUISITIONS, labels)
    }
}
