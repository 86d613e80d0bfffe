//! The user and the password of a connection.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The user and the password of a connection, as a provider returns them: see
/// [`LockManagerBuilder::credentials_provider`](crate::LockManagerBuilder::credentials_provider).
///
/// `Debug` does not show the password.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::Credentials;
///
/// let credentials = Credentials::new("app", "a token that ends in fifteen minutes");
/// assert!(!format!("{credentials:?}").contains("token"));
/// ```
#[derive(Clone)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    /// A server without ACL users, which has only a password, has the user `default`.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A function of the user's that is asked at each attempt to connect.
pub(crate) type CredentialsProvider =
    Arc<dyn Fn() -> Result<Credentials, Box<dyn Error + Send + Sync>> + Send + Sync>;
