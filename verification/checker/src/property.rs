//! The properties that every history has to satisfy.

use std::fmt;

/// A property that is checked of every history. [`Property::statement`] says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "`statement` documents each variant, and tools print it")]
pub enum Property {
    TokensRise,
    TokensDistinct,
    Reentry,
    MutualExclusion,
    SiblingExclusion,
    FencedRegister,
    UnfencedCounter,
    Deadline,
    MustSucceed,
    LossReported,
    KeptKey,
    Takeover,
    BoundedBypass,
    NoLeak,
    WellFormed,
}

impl Property {
    /// All properties.
    pub const ALL: [Self; 15] = [
        Self::TokensRise,
        Self::TokensDistinct,
        Self::Reentry,
        Self::MutualExclusion,
        Self::SiblingExclusion,
        Self::FencedRegister,
        Self::UnfencedCounter,
        Self::Deadline,
        Self::MustSucceed,
        Self::LossReported,
        Self::KeptKey,
        Self::Takeover,
        Self::BoundedBypass,
        Self::NoLeak,
        Self::WellFormed,
    ];

    /// The name that tables and reports print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokensRise => "tokens rise",
            Self::TokensDistinct => "tokens distinct",
            Self::Reentry => "re-entry",
            Self::MutualExclusion => "mutual exclusion",
            Self::SiblingExclusion => "sibling exclusion",
            Self::FencedRegister => "fenced register",
            Self::UnfencedCounter => "unfenced counter",
            Self::Deadline => "deadline",
            Self::MustSucceed => "must succeed",
            Self::LossReported => "loss reported",
            Self::KeptKey => "kept key",
            Self::Takeover => "takeover",
            Self::BoundedBypass => "bounded bypass",
            Self::NoLeak => "no leak",
            Self::WellFormed => "well-formed history",
        }
    }

    /// The property in one line.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::TokensRise => {
                "tokens of a key strictly increase in the real-time order of grants"
            }
            Self::TokensDistinct => "no two grants of a key have the same token",
            Self::Reentry => "a re-entry has the token of a hold that has not been released",
            Self::MutualExclusion => "holds of different owners of a key are never valid at once",
            Self::SiblingExclusion => "two sections that re-enter the same hold never overlap",
            Self::FencedRegister => {
                "the fenced register never accepts a lower token after a higher one"
            }
            Self::UnfencedCounter => "the unfenced counter counts every section once",
            Self::Deadline => "every acquire ends by its deadline plus slack",
            Self::MustSucceed => "a lock that is certain to be available is acquired",
            Self::LossReported => "a loss is reported before the lease expires, and is permanent",
            Self::KeptKey => "a key that stays taken after its release is granted to nobody before",
            Self::Takeover => "a waiter gets a key without a live holder within ttl and slack",
            Self::BoundedBypass => "later requests bypass a waiter at most as often as the bound",
            Self::NoLeak => "no key, connection, thread or descriptor is left after the run",
            Self::WellFormed => "the history is one that callers of a lock could have recorded",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
