use std::time::Duration;

use testkit::eventually;

use super::*;

#[test]
fn a_lower_token_is_rejected_and_all_writes_of_an_ended_process_are_decided() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("register");
    let register = Register::listen(&path).unwrap();
    let client = RegisterClient::new(path.clone(), 3);
    let written = [5, 7, 6, 7].map(|fence| client.write(0, 1, fence, fence));
    assert_eq!(written, [true, true, false, true]);
    assert!(client.write(0, 2, 1, 1), "tokens of different keys are independent");
    assert!(!register.has_processed_all_of(3));
    drop(client);
    eventually(Duration::from_secs(5), "all writes are decided", || {
        register.has_processed_all_of(3)
    });
    assert_eq!(register.take_events().len(), 5);
    register.close(&path);
}
