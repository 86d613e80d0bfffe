use distlock::{LockError, distributed_lock};

struct Shop(String);

impl Shop {
    #[distributed_lock("key")]
    fn name(&self, other: &str) -> Result<&str, LockError> {
        Ok(if self.0.is_empty() { other } else { &self.0 })
    }
}

fn main() {
    let _ = Shop(String::new()).name("b");
}
