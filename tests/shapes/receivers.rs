//! Locked methods by the kind of type they belong to.

use std::fmt::Debug;
use std::sync::Arc;

use distlock::distributed_lock;

use super::support::{Error, support};

// 138
#[derive(Debug, PartialEq)]
enum Switch {
    Off,
    On(u32),
    Locked { by: u32 },
}

impl Switch {
    #[distributed_lock("dispatch:variants:{self:?}")]
    fn flipped(&self) -> Result<Self, Error> {
        use Switch::{Locked, Off, On};
        let Self::On(value) = self else {
            return Ok(Self::On(1));
        };
        match Self::Off {
            Self::On(_) | Locked { .. } => Err(Error::Own("unreachable")),
            Off if *value > 1 => Ok(Self::Locked { by: *value }),
            Off => Ok([Off].map(|_| On(value + 1)).into_iter().next().ok_or(Error::Own("one"))?),
        }
    }
}

struct Unit;
struct Tuple(u32);

impl Unit {
    #[distributed_lock("dispatch:unit", on_error = panic)]
    fn made() -> (Self, Vec<Tuple>) {
        let Self = Self;
        (Self, [1, 2].map(Tuple).into())
    }
}

impl Tuple {
    #[distributed_lock("dispatch:tuple", on_error = panic)]
    async fn next(&self) -> Self {
        let Self(value) = *self;
        (value..).map(Self).nth(1).unwrap_or(Self(value))
    }
}

#[tokio::test]
async fn constructors_and_patterns_go_by_self() {
    support();
    assert_eq!(Switch::Off.flipped().expect("free"), Switch::On(1));
    assert_eq!(Switch::On(1).flipped().expect("free"), Switch::On(2));
    assert_eq!(Switch::On(5).flipped().expect("free"), Switch::Locked { by: 5 });
    let (Unit, tuples) = Unit::made();
    assert_eq!((tuples.len(), tuples[1].next().await.0), (2, 3));
}

// 139
trait Shown {
    fn shown(&self) -> Result<String, Error>;
}

impl Shown for dyn Debug + Send + Sync {
    #[distributed_lock("dispatch:dyn:{self:?}")]
    fn shown(&self) -> Result<String, Error> {
        Ok(format!("{self:?}"))
    }
}

trait Object {
    fn id(&self) -> u32;
}

impl dyn Object + '_ {
    #[distributed_lock("dispatch:object:{}", self.id())]
    async fn again<'a>(self: &'a Arc<Self>) -> Result<Box<dyn Fn() -> u32 + 'a>, Error> {
        tokio::task::yield_now().await;
        Ok(Box::new(|| self.id()))
    }
}

impl Object for Tuple {
    fn id(&self) -> u32 {
        self.0
    }
}

#[tokio::test]
async fn trait_objects_have_locked_methods_of_their_own() {
    support();
    let shown: &(dyn Debug + Send + Sync) = &1;
    assert_eq!(shown.shown().expect("free"), "1");
    let object: Arc<dyn Object> = Arc::new(Tuple(4));
    assert_eq!(object.again().await.expect("free")(), 4);
}
