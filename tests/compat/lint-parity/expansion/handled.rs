use distlock::distributed_lock;

#[distributed_lock("counter", on_error = |error| error.to_string())]
pub async fn count(text: String) -> String {
    text + "1"
}
