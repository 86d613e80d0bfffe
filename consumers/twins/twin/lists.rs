//! Several keys, with arguments of every kind.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;

pub struct Shop {
    id: u64,
    name: String,
}

#[cfg_attr(feature = "locked", distributed_lock(["account:{from}", "account:{to}"], wait = "5s"))]
pub fn transfer_all(from: u64, to: u64, amount: u64, unused: u8) -> Answer<u64> {
    let mut total = from + to;
    total = total + amount;
    return Ok(total);
}

#[cfg_attr(feature = "locked", distributed_lock(["account:{from}", "account:{to}"], wait = "5s"))]
pub async fn transfer_all_async(from: u64, to: String) -> Answer<u64> {
    let length = to.len() as u64;
    Ok(from + length)
}

impl Shop {
    #[cfg_attr(
        feature = "locked",
        distributed_lock(["shop:{id}", "shop:{name}", "{id}:{name}"], id = self.id, name = self.name.trim())
    )]
    pub fn rename_all(&mut self, name: &str) -> Answer<&mut String> {
        self.name = name.to_string();
        Ok(&mut self.name)
    }

    #[cfg_attr(
        feature = "locked",
        distributed_lock(["shop:{id}", "shop:{total}"], id = self.id, total = self.id + 1, linger = "50ms", fairness = global)
    )]
    pub async fn close_all(self, totals: Vec<u64>) -> Answer<u64> {
        Ok(totals.iter().map(|total| *total).sum::<u64>() + self.id)
    }
}
