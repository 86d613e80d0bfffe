//! Attributes beside ours, on the function, its parameters and its statements.

use distlock::distributed_lock;

use super::support::{Error, support};

// 119
#[distributed_lock("attributes:generics")]
async fn configured<#[cfg(any())] Missing: Send, #[cfg(not(any()))] T: Send>(
    #[cfg(any())] missing: Missing,
    #[cfg(not(any()))] value: T,
) -> Result<T, Error> {
    tokio::task::yield_now().await;
    Ok(value)
}

// 120
#[distributed_lock("attributes:patterns:{left}")]
async fn patterns(
    #[cfg(any())] _: Missing,
    #[cfg(not(any()))] _: u8,
    #[cfg(any())] (left, _right): (u8, u8),
    #[cfg(not(any()))] (left, _right): (u8, u16),
) -> Result<u8, Error> {
    tokio::task::yield_now().await;
    #[cfg(any())]
    return Err(Missing);
    #[cfg(not(any()))]
    Ok(left)
}

#[tokio::test]
async fn what_is_configured_out_is_gone() {
    support();
    assert_eq!(configured(1).await.expect("free"), 1);
    assert_eq!(patterns(0, (2, 3)).await.expect("free"), 2);
}

mod visible {
    // 121
    /// Documented, `with code`.
    #[inline(never)]
    #[cold]
    #[must_use = "the number is the point"]
    #[distlock::distributed_lock("attributes:kept", on_error = panic)]
    #[deprecated(since = "0.1.0", note = "use another")]
    #[doc(hidden)]
    #[cfg_attr(any(), missing)]
    #[cfg_attr(all(), doc(alias = "held"))]
    pub(in super::super) fn kept() -> u32 {
        1
    }

    #[must_use]
    #[distlock::distributed_lock("attributes:kept", on_error = panic)]
    #[inline]
    pub(in super::super) async fn kept_async() -> u32 {
        tokio::task::yield_now().await;
        1
    }
}

#[tokio::test]
async fn attributes_of_every_kind_stay_on_the_function() {
    #![expect(deprecated, reason = "whether the attribute still warns is the point")]
    support();
    assert_eq!((visible::kept(), visible::kept_async().await), (1, 1));
}

// 122
#[cfg_attr(all(), distributed_lock("attributes:given", hold = hold))]
#[cfg_attr(any(), distributed_lock("attributes:missing"))]
fn given() -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

#[test]
fn the_attribute_itself_may_be_configured() {
    support();
    assert_eq!(given().expect("free"), "attributes:given");
}

// 123
#[cfg(target_arch = "x86_64")]
mod features {
    #![allow(unsafe_code, reason = "the twin without the feature calls it")]
    use super::{Error, distributed_lock, support};

    #[target_feature(enable = "sse4.2")]
    fn needs_the_feature(value: u32) -> u32 {
        value.count_ones()
    }

    #[distributed_lock("attributes:feature:{value}")]
    #[target_feature(enable = "sse4.2")]
    fn with_the_feature(value: u32) -> Result<u32, Error> {
        // Safe only where the closure around the body has the feature too.
        Ok(needs_the_feature(value))
    }

    #[test]
    fn the_body_has_the_target_features_of_the_function() {
        support();
        if std::arch::is_x86_feature_detected!("sse4.2") {
            // SAFETY: the processor has the feature.
            assert_eq!(unsafe { with_the_feature(7) }.expect("free"), 3);
        }
    }
}

// 124
#[distributed_lock("attributes:statements")]
async fn statements(text: &str) -> Result<usize, Error> {
    #[expect(unused_variables, reason = "the lint must still come")]
    let unused = 1;
    #[cfg(any())]
    return Err(Missing);
    #[expect(unused_mut, reason = "the lint must still come")]
    let mut length = text.len();
    #[rustfmt::skip]
    let twice = length  +  length;
    tokio::task::yield_now().await;
    Ok(twice)
}

#[tokio::test]
async fn statements_keep_their_attributes() {
    support();
    assert_eq!(statements("ab").await.expect("free"), 4);
}

// 125
mod exported {
    #![allow(unsafe_code, reason = "a name without mangling can clash")]

    #[distlock::distributed_lock("attributes:exported", on_error = |_| -1)]
    #[unsafe(no_mangle)]
    pub extern "C" fn distlock_shapes_apply(
        callback: Option<extern "C" fn(i32) -> i32>,
        value: i32,
    ) -> i32 {
        let Some(callback) = callback else {
            return 0;
        };
        callback(value)
    }

    #[distlock::distributed_lock("attributes:callback", on_error = |_| -1)]
    pub(super) extern "C" fn negated(value: i32) -> i32 {
        -value
    }

    unsafe extern "C" {
        #[link_name = "distlock_shapes_apply"]
        pub(super) safe fn linked(callback: Option<extern "C" fn(i32) -> i32>, value: i32) -> i32;
    }
}

#[test]
fn a_function_for_c_is_found_by_its_name_and_calls_back() {
    support();
    assert_eq!(exported::distlock_shapes_apply(None, 3), 0);
    assert_eq!(exported::linked(Some(exported::negated), 3), -3);
}

// 126
#[deny(
    elided_lifetimes_in_paths,
    let_underscore_drop,
    missing_debug_implementations,
    non_snake_case,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
mod strict {
    use std::future::Future;

    use distlock::{LockError, distributed_lock};

    #[distributed_lock(
        "attributes:strict:{id}",
        wait = "1s",
        ttl = "9s",
        max_hold = "1m",
        if_busy = skip,
        hold = hold
    )]
    pub(super) fn sync(id: u32) -> Result<Option<u32>, LockError> {
        Ok(hold.is_valid().then_some(id))
    }

    #[distributed_lock("attributes:strict:{id}", release = confirmed, on_lost = finish)]
    pub(super) async fn asynchronous(id: u32) -> Result<Option<u32>, LockError> {
        tokio::task::yield_now().await;
        Ok(Some(id))
    }

    #[distributed_lock("attributes:strict:{id}", on_error = |_| None)]
    pub(super) fn future(id: u32) -> impl Future<Output = Option<u32>> {
        async move { Some(id) }
    }

    #[distributed_lock("attributes:strict", on_error = panic)]
    pub(super) async fn nothing() {
        tokio::task::yield_now().await;
    }

    #[allow(non_snake_case, reason = "the name of a protocol, not of the language")]
    #[distributed_lock("attributes:strict", on_error = panic)]
    pub(super) fn camelCase() {}
}

#[tokio::test]
async fn an_expansion_trips_no_lint_that_is_off_by_default() {
    support();
    assert_eq!(
        (strict::sync(1).ok(), strict::asynchronous(2).await.ok()),
        (Some(Some(1)), Some(Some(2)))
    );
    assert_eq!(strict::future(3).await, Some(3));
    strict::nothing().await;
    strict::camelCase();
}
