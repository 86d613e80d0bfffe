use distlock::{LockError, distributed_lock};

macro_rules! locked {
    ($argument:ident) => {
        #[distributed_lock("key:{order}")]
        fn run($argument: u32) -> Result<u32, LockError> {
            Ok($argument)
        }
    };
}

locked!(order);

fn main() {
    let _ = run(1);
}
