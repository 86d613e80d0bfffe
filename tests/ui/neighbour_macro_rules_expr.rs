use distlock::{LockError, distributed_lock};

const KEY: &str = "key";

macro_rules! locked {
    ($key:expr) => {
        #[distributed_lock($key)]
        fn run() -> Result<(), LockError> {
            Ok(())
        }
    };
}

locked!(KEY);

fn main() {
    let _ = run();
}
