//! What a key is rendered to is all that counts.

use std::thread;

use distlock::{LockError, distributed_lock};

use super::support::{Error, support};

#[distributed_lock("rendered:{a}", hold = hold)]
fn by_one_name(a: &str, during: impl FnOnce(&str)) -> Result<(), Error> {
    during(hold.key());
    Ok(())
}

#[distributed_lock("rendered:{b}", wait = "0s", hold = hold)]
fn by_another_name(b: &str) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

#[distributed_lock("{}:{0:}:{n}", first, n = n, wait = "0s")]
fn by_parts(first: &str, n: u32) -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("rendered:rendered:{}", 7, wait = "0s")]
fn by_a_constant() -> Result<(), Error> {
    Ok(())
}

fn is_busy<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Lock(LockError::Busy(_))))
}

// 72
#[test]
fn one_text_from_different_arguments_is_one_lock() {
    support();
    let during = |key: &str| {
        assert_eq!(by_another_name("same").expect("re-enters"), key);
        assert!(is_busy(&thread::spawn(|| by_another_name("same")).join().expect("no panic")));
        let other = thread::spawn(|| by_another_name("other")).join().expect("no panic");
        assert_eq!(other.expect("free"), "rendered:other");
    };
    by_one_name("same", during).expect("free");
}

// 72
#[test]
fn one_text_from_different_templates_is_one_lock() {
    support();
    let during = |key: &str| {
        assert_eq!(key, "rendered:rendered:7");
        assert!(by_parts("rendered", 7).is_ok() && by_a_constant().is_ok(), "they re-enter");
        let [parts, constant] = [|| by_parts("rendered", 7), by_a_constant];
        assert!(is_busy(&thread::spawn(parts).join().expect("no panic")));
        assert!(is_busy(&thread::spawn(constant).join().expect("no panic")));
    };
    by_one_name("rendered:7", during).expect("free");
}

#[distributed_lock("{text}", hold = hold)]
fn any(text: &str, during: impl FnOnce(&str)) -> Result<(), Error> {
    during(hold.key());
    Ok(())
}

#[distributed_lock("{text}", wait = "0s", hold = hold)]
async fn any_async(text: String) -> Result<String, Error> {
    tokio::task::yield_now().await;
    Ok(hold.key().to_owned())
}

#[distributed_lock("{{}} {{{text}}}", hold = hold)]
fn braces(text: &str) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

fn odd_texts() -> [String; 7] {
    [
        String::new(),
        "long ".repeat(20_000),
        "nul\0in the middle\0".to_owned(),
        " \t\r\n ".to_owned(),
        "{braces} {} {{}} }{".to_owned(),
        "ключ 鍵 🔑 e\u{301}".to_owned(),
        "%s $1 \\ ' \" * ? [a]".to_owned(),
    ]
}

// 73
#[test]
fn any_text_can_be_a_key() {
    support();
    for text in odd_texts() {
        let during = |key: &str| {
            assert_eq!(key, text);
            let nested = futures::executor::block_on(any_async(text.clone()));
            assert_eq!(nested.expect("re-enters"), text);
            let text = text.clone();
            let other = thread::spawn(|| futures::executor::block_on(any_async(text)));
            assert!(is_busy(&other.join().expect("no panic")));
        };
        any(&text, during).expect("free");
    }
    assert_eq!(braces("a").expect("free"), "{} {a}");
}
