use distlock::{LockError, distributed_lock};

pub struct Account {
    pub id: u64,
    pub balance: u64,
}

impl Account {
    #[distributed_lock(["account:{from}", "account:{to}"], from = self.id, fairness = strict)]
    pub async fn transfer(&mut self, to: u64, amount: u64) -> Result<u64, LockError> {
        self.balance -= amount;
        Ok(to)
    }
}
