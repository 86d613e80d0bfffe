use distlock::distributed_lock;

macro_rules! locked {
    ($name:ident -> $value:ty $body:block) => {
        #[distributed_lock("key")]
        fn $name() -> $value $body
    };
}

locked!(run -> u32 { 1 });

fn main() {
    run();
}
