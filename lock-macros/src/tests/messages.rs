//! The texts of errors, above all for names and values of other libraries.

use proc_macro2::TokenStream;

const FUNCTION: &str = "fn run(id: u8) -> Result<(), Error> { Ok(()) }";

fn message(args: &str, item: &str) -> String {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("tokens");
    match crate::try_expand(tokens(args), tokens(item)) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn assert_says(args: &str, item: &str, expected: &str) {
    let message = message(args, item);
    assert!(message.contains(expected), "{args} on {item} says: {message}");
}

#[test]
fn the_error_for_a_name_of_another_library_suggests_ours() {
    for (words, expected) in [
        (
            "lock_at_most_for lockAtMostFor leaseTime lease_time LEASE_TIME expireTime px",
            "did you mean `ttl`?",
        ),
        ("waitTime acquireTimeout blocking_timeout retryTimes maxRetries", "did you mean `wait`?"),
        ("try_lock tryLock tryAcquire blocking", "write `wait = \"0s\"` to try once"),
        ("lock_at_least_for lockAtLeastFor", "did you mean `min_hold`?"),
        ("mode flavor lockType exclusive", "all locks are exclusive"),
        ("retryDelay retry_interval driftFactor", "nothing is tried again"),
        ("autoRenewal watchDog", "did you mean `renew`?"),
        ("skipIfLocked", "did you mean `if_busy`?"),
        ("autoRelease", "released when the function ends"),
    ] {
        for word in words.split(' ') {
            assert_says(&format!("\"key\", {word} = 5"), FUNCTION, expected);
        }
    }
}

#[test]
fn the_error_for_a_value_of_another_library_suggests_ours() {
    for (args, expected) in [
        ("\"key\", wait = 5_000", "`wait = \"5000ms\"`"),
        ("\"key\", wait = 5", "`wait = \"5s\"`"),
        ("\"key\", on_busy = |_| Ok(())", "did you mean `on_error`?"),
        ("\"key\", on_busy = move |_| Ok(())", "did you mean `on_error`?"),
        ("\"key\", on_busy = skip", "did you mean `if_busy`?"),
        ("\"key:{id}\", id = %id", "write `{id}` there and `id = id` here"),
        ("\"key:{id}\", id = ?id", "write `{id:?}` there and `id = id` here"),
        ("\"key\", skip(self)", "there is nothing to skip: remove it"),
        ("\"key\", skip_all", "there is nothing to leave out: remove it"),
        (
            "ids.iter().map(text)",
            "write `\"{}\", ids.iter().map(text).collect::<Vec<_>>().join(\",\")`",
        ),
        ("ids.iter()", ".map(|item| item.to_string()).collect::<Vec<_>>().join(\",\")`"),
        ("\"key\", on_error = async |_| Ok(())", "`on_error` cannot await"),
        ("\"key\", on_error = |_| async { Ok(()) }", "`on_error` cannot await"),
        (
            "\"key:{ttl}\", ttl = self.ttl",
            "`ttl` is an option, and the key cannot name its value: write `{}` there",
        ),
        (
            "[\"key:{ttl}\"], ttl = self.ttl",
            "write another name there, and `other_ttl = …` after the list",
        ),
    ] {
        assert_says(args, FUNCTION, expected);
    }
}

#[test]
fn a_list_of_holds_has_as_many_names_as_the_list_has_keys() {
    for (args, expected) in [
        ("[\"a\", \"b\"], hold = [a]", "the list has 2 keys, and this binds 1 hold"),
        ("[\"a\"], hold = [a, b]", "the list has 1 key, and this binds 2 holds"),
        ("[\"a\", \"b\"], hold = []", "the list has 2 keys, and this binds 0 holds"),
        ("\"a\", hold = [a]", "names in brackets go with a list of keys: write `hold = name`"),
        ("[\"a\", \"b\"], hold = [a, \"b\"]", "`hold` takes the name to bind in the body"),
        ("[\"a\", \"b\"], hold = [a b]", "a comma is missing"),
        ("[\"a\", \"b\"], hold = [_, b]", "nothing"),
        ("[\"a\"], hold = [a,]", "nothing"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
}

#[test]
fn a_minimum_hold_goes_with_a_longer_maximum_and_without_linger() {
    for (args, expected) in [
        ("\"key\", min_hold = \"2s\", max_hold = \"1s\"", "`max_hold` is shorter than `min_hold`"),
        ("\"key\", min_hold = \"2s\", max_hold = \"2s\"", "nothing"),
        ("\"key\", min_hold = \"2s\", max_hold = self.max", "nothing"),
        ("\"key\", min_hold = \"2s\", linger = \"1s\"", "keeps it from everybody: remove one"),
        ("\"key\", min_hold = 2", "`min_hold = \"2s\"`"),
        ("\"key\", min_hold = \"2\"", "`min_hold = \"2s\"`"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
}

#[test]
fn replicas_are_a_number_or_all() {
    for (args, expected) in [
        ("\"key\", replicas = 1", "nothing"),
        ("\"key\", replicas = 0, confirm = \"1ms\"", "nothing"),
        ("\"key\", replicas = \"all\"", "nothing"),
        ("\"key\", replicas = self.replicas", "nothing"),
        ("\"key\", replicas = all", "or `\"all\"`"),
        ("\"key\", replicas = \"two\"", "`replicas` is a number of replicas up to 255"),
        ("\"key\", replicas = 256", "`replicas` is a number of replicas up to 255"),
        ("\"key\", replicas = -1", "`replicas` is a number of replicas up to 255"),
        ("\"key\", replicas = 1.5", "`replicas` is a number of replicas up to 255"),
        ("\"key\", replicas = true", "`replicas` is a number of replicas up to 255"),
        ("\"key\", replicas", "write for example `replicas = 1`"),
        ("\"key\", confirm = \"0s\"", "`confirm` must be longer than zero"),
        ("\"key\", confirm = 1", "`confirm = \"1s\"`"),
        ("\"key\", min_replicas = 1", "did you mean `replicas`?"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
}

#[test]
fn a_switch_is_true_or_false() {
    assert_says("\"key\", reenter = never", FUNCTION, "or leave it out to re-enter");
    assert_says(
        "\"key\", renew = never",
        FUNCTION,
        "or leave it out to renew at a third of the ttl",
    );
    assert_says(
        "\"key\", reentrant = false",
        FUNCTION,
        "write `reenter = false` for one that does not",
    );
}

#[test]
fn an_argument_can_have_the_name_of_an_option() {
    let item = "fn run(ttl: Duration) -> Result<(), Error> { Ok(()) }";
    assert_says("\"key:{ttl:?}\", ttl = ttl", item, "nothing");
}

#[test]
fn a_generator_is_refused() {
    for item in ["gen fn run() -> u8 { yield 1 }", "async gen fn run() -> u8 { yield 1 }"] {
        assert_says("\"key\"", item, "a generator cannot be locked");
    }
}

#[test]
fn a_future_that_may_not_borrow_cannot_use_a_borrowed_argument() {
    let body = "{ let name = name.to_owned(); async move { Ok(name.len()) } }";
    for (returned, expected) in [
        ("impl Future<Output = R> + 'static", "this future may outlive `name`"),
        ("Pin<Box<dyn Future<Output = R>>>", "this future may outlive `name`"),
        ("BoxFuture<'static, R>", "this future may outlive `name`"),
        ("impl Future<Output = R>", "nothing"),
        ("BoxFuture<'_, R>", "nothing"),
    ] {
        assert_says("\"key\"", &format!("fn run(name: &str) -> {returned} {body}"), expected);
        assert_says(
            "\"{name}\"",
            &format!("fn run(name: &str) -> {returned} {{ later() }}"),
            expected,
        );
        let longer = format!("fn run(name: &'static str) -> {returned} {body}");
        assert_says("\"key\"", &longer, "nothing");
    }
}
