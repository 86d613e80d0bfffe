//! What is proven of a history.

use std::fmt;

/// One thing that is proven of every history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// See [`Property::statement`], as for all.
    TokensRise,
    /// No token is shown twice.
    TokensDistinct,
    /// Re-entry is into a hold that is there, under its token.
    Reentry,
    /// One owner at a time.
    Disjoint,
    /// Sections inside one hold take turns.
    Siblings,
    /// The register with fencing.
    Register,
    /// The counter without fencing.
    Counter,
    /// Acquires end.
    Deadline,
    /// Acquires succeed where they must.
    Surely,
    /// Loss is seen.
    Told,
    /// Dead holders are replaced.
    Takeover,
    /// Waiters have their turn.
    PassedOver,
    /// Nothing leaks.
    Leftover,
    /// The harness is right.
    Malformed,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::TokensRise,
        Self::TokensDistinct,
        Self::Reentry,
        Self::Disjoint,
        Self::Siblings,
        Self::Register,
        Self::Counter,
        Self::Deadline,
        Self::Surely,
        Self::Told,
        Self::Takeover,
        Self::PassedOver,
        Self::Leftover,
        Self::Malformed,
    ];

    /// What it is called in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokensRise => "tokens rise",
            Self::TokensDistinct => "tokens distinct",
            Self::Reentry => "re-entry",
            Self::Disjoint => "holds disjoint",
            Self::Siblings => "siblings take turns",
            Self::Register => "fenced register",
            Self::Counter => "unfenced counter",
            Self::Deadline => "ends by its deadline",
            Self::Surely => "surely had",
            Self::Told => "told of loss",
            Self::Takeover => "takeover",
            Self::PassedOver => "not passed over",
            Self::Leftover => "nothing left over",
            Self::Malformed => "well-formed history",
        }
    }

    /// What it says, in one line.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::TokensRise => {
                "tokens of a key strictly increase in the real-time order of grants"
            }
            Self::TokensDistinct => "no two grants of a key show the same token",
            Self::Reentry => "a re-entry shows the token of a hold that has not been left",
            Self::Disjoint => "holds of different owners of a key are never valid at once",
            Self::Siblings => "two sections that re-enter the same hold never overlap",
            Self::Register => "the fenced register never takes a lower token after a higher one",
            Self::Counter => "the unfenced counter counts every section once",
            Self::Deadline => "every acquire ends by its deadline plus slack",
            Self::Surely => "a lock that is known to be had is had",
            Self::Told => "a holder whose lock is lost is told by its own deadline, for good",
            Self::Takeover => "a key without a live holder is had by a waiter within ttl and guard",
            Self::PassedOver => "no waiter is passed over by later requests beyond the bound",
            Self::Leftover => "no key, connection, thread or descriptor is left after the run",
            Self::Malformed => "the history is one that callers of a lock could have written",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
