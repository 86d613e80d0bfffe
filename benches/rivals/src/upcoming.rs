//! What distlock is about to offer. Each call stands here alone, so that it is switched on in one place.

use std::time::Duration;

use distlock::LockRequest;

/// Whether [`global`] does something yet; the report says so where it does not.
pub const HAS_GLOBAL: bool = true;

/// Whether [`linger`] does something yet.
pub const HAS_LINGER: bool = true;

/// How long an unneeded lock stays with the process that let it go.
pub const LINGER: Duration = Duration::from_millis(50);

/// Strict order across processes: no turns of waiters of the same process out of line.
pub fn global(request: LockRequest) -> LockRequest {
    request.fairness_global()
}

/// The lock stays with this process for a while after its release.
pub fn linger(request: LockRequest) -> LockRequest {
    request.linger(LINGER)
}
