use cfg_if::cfg_if;
use distlock::distributed_lock;

use super::support::{Error, assert_released, held, locks, support};

type Held = Result<Option<String>, Error>;

#[cfg_attr(test, distributed_lock("builtin:cfg_attr"))]
fn when_configured() -> Held {
    Ok(held())
}

#[cfg_attr(not(test), distributed_lock("builtin:never"))]
fn when_not_configured() -> Option<String> {
    held()
}

cfg_if! {
    if #[cfg(test)] {
        #[distributed_lock("builtin:cfg_if:{name}")]
        fn chosen(name: &str) -> Held {
            assert!(!name.is_empty());
            Ok(held())
        }
    } else {
        fn chosen() -> u32 {
            0
        }
    }
}

#[deprecated = "for the test"]
#[cold]
#[distributed_lock("builtin:many")]
#[inline(never)]
#[doc = "Documented."]
#[must_use = "for the test"]
#[allow(clippy::unnecessary_wraps, reason = "the shape under test")]
fn many() -> Held {
    Ok(held())
}

#[derive(Debug, PartialEq)]
struct Version(u32);

impl std::str::FromStr for Version {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    #[distributed_lock("builtin:parse:{text}")]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        assert!(held().is_some());
        Ok(Self(text.parse()?))
    }
}

impl Drop for Version {
    #[distributed_lock("builtin:drop:{}", self.0, manager = locks(), on_error = panic)]
    fn drop(&mut self) {
        assert!(held().expect("inside").starts_with("builtin:drop:"));
    }
}

#[test]
fn attributes_of_the_compiler_stand_in_any_order() {
    support();
    assert_eq!(when_configured().expect("free").as_deref(), Some("builtin:cfg_attr"));
    assert_eq!(when_not_configured(), None);
    assert_eq!(chosen("a").expect("free").as_deref(), Some("builtin:cfg_if:a"));
    #[expect(deprecated, reason = "the attribute above ours is still there")]
    let many = many();
    assert_eq!(many.expect("free").as_deref(), Some("builtin:many"));
    assert_released("builtin:many");
}

#[test]
fn methods_of_the_standard_traits_are_locked() {
    support();
    assert_eq!("7".parse::<Version>().expect("a number"), Version(7));
    assert!("x".parse::<Version>().is_err());
    assert_released("builtin:parse:7");
    assert_released("builtin:drop:7");
}
