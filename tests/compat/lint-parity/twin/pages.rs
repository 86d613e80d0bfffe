//! Functions whose documentation page is worth reading.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

/// Moves money; see [`Account::close`].
///
/// # Errors
///
/// If the lock is not to be had.
///
/// ```
/// assert_eq!(1, 1);
/// ```
#[cfg_attr(feature = "locked", distributed_lock(["account:{from}", "account:{to}"]))]
pub fn transfer(from: u64, (to, amount): (u64, u64), mut note: String, _: u8) -> Answer<u64> {
    note.clear();
    Ok(from + to + amount)
}

#[cfg_attr(feature = "locked", distributed_lock(["account:{from}", "account:{to}"], wait = "5s"))]
/// The attribute is above this line.
#[must_use = "the receipt is proof"]
#[deprecated(since = "0.1.0", note = "use `transfer`")]
pub async fn transfer_async<'a, T>(from: &'a T, to: impl Display + Send) -> Answer<&'a T>
where
    T: Display + ?Sized,
{
    drop(to.to_string());
    Ok(from)
}

/// A function that makes a future.
#[cfg_attr(feature = "locked", distributed_lock("key"))]
pub fn later(text: &str) -> impl Future<Output = Answer<usize>> + Send + '_ {
    async move { Ok(text.len()) }
}

/// A function that makes a boxed one.
#[cfg_attr(feature = "locked", distributed_lock("key"))]
#[doc(alias = "soon")]
pub fn later_boxed<const N: usize>(
    numbers: [u8; N],
) -> Pin<Box<dyn Future<Output = Answer<usize>> + Send>> {
    Box::pin(async move { Ok(numbers.len()) })
}

/// Unsafe.
///
/// # Safety
///
/// None is needed.
#[cfg_attr(feature = "locked", distributed_lock("key", on_error = drop))]
#[doc(hidden)]
pub unsafe extern "C" fn low(number: u32) {
    drop(number);
}

/// Never comes back.
#[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
pub fn never() -> ! {
    std::process::exit(1)
}

#[derive(Debug, Default)]
pub struct Account<T = u32> {
    pub owner: T,
}

impl<T: Display> Account<T> {
    pub const LIMIT: u32 = 1;

    /// Closes it.
    #[cfg_attr(
        feature = "locked",
        distributed_lock(["{owner}", "account:{owner}"], owner = self.owner, if_busy = skip)
    )]
    pub fn close(&mut self) -> Answer {
        Ok(())
    }

    /// Opens one.
    #[cfg_attr(feature = "locked", distributed_lock("account:{owner}"))]
    pub(crate) async fn open(self: Pin<&mut Self>, owner: &str) -> Answer {
        drop(owner.to_owned());
        Ok(())
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn hidden(self) -> Answer<impl Iterator<Item = T>> {
        Ok(std::iter::once(self.owner))
    }
}

pub trait Bank {
    type Money: Display;

    /// Asks.
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn balance(&self, account: &str) -> Answer<Option<Self::Money>> {
        Ok(None)
    }

    /// Asks later.
    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn balance_later(&self, account: &str) -> Answer<Option<Self::Money>> {
        Ok(None)
    }
}

impl Bank for Account {
    type Money = u32;

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn balance(&self, account: &str) -> Answer<Option<u32>> {
        Ok(Some(self.owner))
    }
}
