use distlock::distributed_lock;

use super::support::{Error, support};

struct Shop {
    n: u32,
    name: String,
}

// 39
impl Shop {
    const KIND: &'static str = "shop";

    #[distributed_lock("{}:{}", Self::KIND, self.n, hold = hold)]
    fn positional(&self) -> Result<String, Error> {
        Ok(hold.key().to_owned())
    }

    #[distributed_lock(
        "{kind}:{n:>width$}:{0}",
        self.name,
        kind = Self::KIND,
        n = self.n,
        width = 3,
        hold = hold
    )]
    fn named(&self) -> Result<String, Error> {
        Ok(hold.key().to_owned())
    }
}

#[test]
fn a_key_takes_positional_and_named_arguments() {
    support();
    let shop = Shop { n: 7, name: "x".to_owned() };
    assert_eq!(shop.positional().expect("free"), "shop:7");
    assert_eq!(shop.named().expect("free"), "shop:  7:x");
}

// 76
#[distributed_lock("keys:{}:{}", ttl, wait(3), hold = hold,)]
fn option_words(ttl: u32) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

fn wait(n: u32) -> u32 {
    n
}

#[test]
fn a_bare_option_word_fills_an_open_place_in_the_key() {
    support();
    assert_eq!(option_words(1).expect("free"), "keys:1:3");
}

#[distributed_lock("keys:{}", text.parse::<u32>()?, hold = hold)]
fn fallible(text: &str) -> anyhow::Result<String> {
    Ok(hold.key().to_owned())
}

#[test]
fn an_argument_of_the_key_may_fail_before_the_lock_is_taken() {
    support();
    assert_eq!(fallible("1").expect("free"), "keys:1");
    assert!(fallible("x").is_err());
}

// 73
#[distributed_lock("keys:{{}} \0 é {name}", hold = hold)]
fn odd(name: &str) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

#[distributed_lock(r#"keys:"raw" {name:?}"#, hold = hold)]
fn raw(name: &str) -> Result<String, Error> {
    Ok(hold.key().to_owned())
}

#[test]
fn a_key_is_any_text() {
    support();
    assert_eq!(odd("ü {").expect("free"), "keys:{} \0 é ü {");
    assert_eq!(raw("n").expect("free"), "keys:\"raw\" \"n\"");
}

// 79
#[distributed_lock("keys:owned:{name}", hold = hold)]
fn owned(name: String) -> Result<(String, String), Error> {
    Ok((hold.key().to_owned(), name))
}

#[distributed_lock("keys:owned:{name}", hold = hold)]
async fn owned_async(name: String) -> Result<(String, String), Error> {
    tokio::task::yield_now().await;
    Ok((hold.key().to_owned(), name))
}

#[tokio::test]
async fn a_key_takes_nothing_away_from_the_body() {
    support();
    let expected = ("keys:owned:a".to_owned(), "a".to_owned());
    assert_eq!(owned("a".to_owned()).expect("free"), expected);
    assert_eq!(owned_async("a".to_owned()).await.expect("free"), expected);
}

// A guard inside an argument of the key is gone before the body runs.
#[distributed_lock("keys:guard:{}", value.lock().expect("whole"))]
fn guarded(value: &std::sync::Mutex<u32>) -> Result<u32, Error> {
    Ok(*value.try_lock().map_err(|_| Error::Own("still locked"))?)
}

#[test]
fn temporaries_of_the_key_end_before_the_body() {
    support();
    assert_eq!(guarded(&std::sync::Mutex::new(3)).expect("free"), 3);
}
