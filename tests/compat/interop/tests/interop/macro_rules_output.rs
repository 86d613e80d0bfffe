use distlock::distributed_lock;

use super::support::{Error, assert_released, held, support};

macro_rules! with_fragments {
    (
        $(#[$attr:meta])* $vis:vis fn $name:ident($argument:ident: $ty:ty) -> $ret:ty,
        $key:literal,
        $body:block
    ) => {
        $(#[$attr])*
        #[distributed_lock($key)]
        $vis fn $name($argument: $ty) -> $ret $body
    };
}

with_fragments! {
    /// Documented, and must be used.
    #[must_use = "for the test"]
    #[inline]
    pub(super) fn fragments(id: u32) -> Result<Option<String>, Error>, "rules:fragments:{id}", {
        if id == 0 {
            return Err(Error::Own("zero"));
        }
        Ok(held())
    }
}

macro_rules! with_key_expr {
    ($name:ident, $key:expr, $wait:expr, $policy:expr) => {
        #[distributed_lock($key, wait = $wait, on_error = $policy)]
        fn $name(id: u32) -> Option<String> {
            let _ = id;
            held()
        }
    };
}

with_key_expr!(key_expr, "rules:expr", std::time::Duration::from_secs(5), |_| None);

macro_rules! with_key_argument {
    ($name:ident, $value:expr) => {
        #[distributed_lock("rules:argument:{}", $value)]
        async fn $name(order: (u32, u32)) -> Result<Option<String>, Error> {
            let _ = order;
            tokio::task::yield_now().await;
            Ok(held())
        }
    };
}

const SHARD: u32 = 4;
with_key_argument!(key_argument, SHARD + 1);

macro_rules! with_options {
    ($name:ident, [$($option:tt)*]) => {
        #[distributed_lock("rules:options", $($option)*)]
        async fn $name() -> Result<Option<String>, Error> {
            Ok(Some(hold_key()))
        }
    };
}

fn hold_key() -> String {
    held().unwrap_or_default()
}

with_options!(options, [wait = "5s", ttl = "10s", on_lost = finish]);

macro_rules! with_item {
    ($item:item) => {
        #[distributed_lock("rules:item")]
        $item
    };
}

with_item! {
    fn item((left, right): (u32, u32)) -> Result<(u32, Option<String>), Error> {
        Ok((left + right, held()))
    }
}

macro_rules! nested {
    ($($name:ident($id:ident) => $key:literal),*) => { $(nested!(@one $name, $id, $key);)* };
    (@one $name:ident, $id:ident, $key:literal) => { with_fragments! {
        fn $name($id: u32) -> Result<Option<String>, Error>, $key, { let _ = $id; Ok(held()) }
    } };
}

nested!(nested_first(id) => "rules:nested:first:{id}", nested_second(id) => "rules:nested:second");

// The key and the argument it names come from the macro: the same hygiene, whatever the caller
// calls its own.
macro_rules! own_names {
    ($name:ident, $body:expr) => {
        #[distributed_lock("rules:own:{id}")]
        fn $name(id: u32) -> Result<Option<String>, Error> {
            let _ = id;
            Ok($body)
        }
    };
}

own_names!(own, held());

macro_rules! methods {
    ($ty:ident { $($name:ident),* }) => {
        impl $ty {
            $(#[distributed_lock("rules:method:{}:{}", self.0, stringify!($name))]
            async fn $name(&mut self) -> Result<Option<String>, Error> {
                self.0 += 1;
                tokio::task::yield_now().await;
                Ok(held())
            })*
        }
    };
}

struct Counter(u32);
methods!(Counter { first, second });

// The attribute's own statements use these names too.
#[distributed_lock("rules:plain:{site}:{call}:{key}")]
fn collisions_by_hand(site: u32, call: u32, key: u32) -> Result<u32, Error> {
    Ok(site + call + key)
}

fn inside(outcome: Result<Option<String>, Error>) -> String {
    outcome.expect("free").unwrap_or_default()
}

#[test]
fn fragments_of_every_kind_make_a_locked_function() {
    support();
    assert_eq!(inside(fragments(1)), "rules:fragments:1");
    assert!(matches!(fragments(0), Err(Error::Own("zero"))));
    assert_released("rules:fragments:1");
    assert_eq!(key_expr(1).as_deref(), Some("rules:expr"));
    let (sum, held) = item((1, 2)).expect("free");
    assert_eq!((sum, held.as_deref()), (3, Some("rules:item")));
    assert_released("rules:item");
}

#[test]
fn macros_within_macros_make_a_locked_function() {
    support();
    assert_eq!(inside(nested_first(2)), "rules:nested:first:2");
    assert_eq!(inside(nested_second(2)), "rules:nested:second");
    assert_released("rules:nested:first:2");
}

#[test]
fn names_in_the_key_follow_the_hygiene_of_the_literal() {
    support();
    assert_eq!(inside(own(3)), "rules:own:3");
    assert_eq!(collisions_by_hand(1, 2, 3).expect("free"), 6);
}

#[tokio::test]
async fn async_functions_and_methods_from_macros_are_locked() {
    support();
    assert_eq!(inside(key_argument((1, 2)).await), "rules:argument:5");
    assert_eq!(inside(options().await), "rules:options");
    let mut counter = Counter(0);
    assert_eq!(inside(counter.first().await), "rules:method:0:first");
    assert_eq!(inside(counter.second().await), "rules:method:1:second");
    assert_released("rules:method:1:second");
}
