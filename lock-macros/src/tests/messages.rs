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
        (
            "\"key\", on_busy = |_| Ok(())",
            "did you mean `if_busy`? write for example `if_busy = |busy| expr`",
        ),
        ("\"key\", on_busy = move |_| Ok(())", "did you mean `if_busy`?"),
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
fn a_key_that_is_a_value_has_a_name_and_no_arguments() {
    for (args, expected) in [
        ("key = order.lock_key()", "nothing"),
        ("key = KEY, wait = \"1s\",", "nothing"),
        ("key = format!(\"a:{id}\"), hold = hold", "nothing"),
        ("keys = ids.iter().map(text), prefix = \"shop:\"", "nothing"),
        ("keys = [self.from, self.to]", "nothing"),
        ("key = \"#id\"", "the key has no name: write `\"#id\"` without `key =`"),
        ("key = 5", "the key is text"),
        ("key =", "`key` needs a value: write for example `key = order.lock_key()`"),
        ("keys =, wait = \"1s\"", "`keys` needs a value: write for example `keys = ids.iter()`"),
        ("keys = [\"a\", \"b\"]", "write it without `keys =`"),
        ("id = order.id", "`id` is not an option: write `key = order.id`"),
        ("lockKey = order.key()", "write `key = order.key()`"),
        ("wait = self.wait, key = order.id", "the key comes first"),
        ("order.key()", "write `\"{}\", order.key()`, or `key = order.key()`"),
        ("\"{}\", key = order.id", "the attribute has its key already"),
        ("\"key:{key}\", key = order.id", "nothing"),
        ("key = order.key(), self.id", "a key that is a value is the whole key: remove this"),
        ("key = order.key(), \"b\"", "a key that is a value is the whole key: remove this"),
        ("key = order.key(), hold = [a]", "names in brackets go with a list of keys"),
        ("keys = ids, hold = [a, b]", "only the call knows how many keys there are"),
        ("key = order.key() wait = \"1s\"", "a comma is missing"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
}

#[test]
fn a_busy_lock_is_skipped_or_handled() {
    for (args, expected) in [
        ("\"key\", if_busy = skip", "nothing"),
        ("\"key\", if_busy = |busy| Err(busy.into())", "nothing"),
        ("\"key\", if_busy = |_| StatusCode::CONFLICT, on_error = panic", "nothing"),
        ("\"key\", if_busy = conflict", "nothing"),
        ("\"key\", if_busy = self.handler()", "nothing"),
        ("\"key\", if_busy = StatusCode::CONFLICT", "`if_busy = |_| StatusCode::CONFLICT`"),
        ("\"key\", if_busy = Ok(0)", "write `if_busy = skip` or `if_busy = |_| Ok(0)`"),
        ("\"key\", if_busy = return", "write `if_busy = skip` or `if_busy = |busy| expr`"),
        ("\"key\", if_busy = \"skip\"", "write `if_busy = skip`"),
        ("\"key\", if_busy = true", "write `if_busy = skip` or `if_busy = |_| true`"),
        ("\"key\", if_busy = async |_| Ok(())", "`if_busy` cannot await"),
        ("\"key\", if_busy = || Ok(())", "`if_busy` calls the closure with the error"),
        ("\"key\", on_error = StatusCode::CONFLICT", "`on_error = |_| StatusCode::CONFLICT`"),
        ("\"key\", default = 7", "write `if_busy = |_| value`"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
    let never = "fn run() -> ! { loop {} }";
    assert_says("\"key\", on_error = panic, if_busy = skip", never, "remove `if_busy = skip`");
    assert_says("\"key\", on_error = panic, if_busy = |_| stop()", never, "nothing");
}

#[test]
fn a_prefix_is_text_with_names_or_an_expression() {
    for (args, expected) in [
        ("\"key\", prefix = \"shop:\"", "nothing"),
        ("\"key\", prefix = \"\"", "nothing"),
        ("\"key\", prefix = \"{id}:\"", "nothing"),
        ("[\"a\", \"b\"], prefix = self.tenant", "nothing"),
        ("\"key\", prefix = \"{}:\"", "`prefix` has no arguments of its own"),
        ("\"key\", prefix = 5", "`prefix` is text: write for example `prefix = \"shop:\"`"),
        ("\"key\", namespace = \"shop\"", "did you mean `prefix`?"),
        ("\"{prefix}\", prefix = self.x", "`prefix` is an option, and the key cannot name"),
    ] {
        assert_says(args, FUNCTION, expected);
    }
    let item = "fn run(id: &str) -> BoxFuture<'static, R> { later() }";
    assert_says("\"key\", prefix = \"{id}:\"", item, "this future may outlive `id`");
    assert_says("key = id.key()", item, "this future may outlive `id`");
}

fn defaults_message(args: &str, item: &str) -> String {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("tokens");
    match crate::defaults::try_expand(&tokens(args), tokens(item)) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn defaults_are_options_of_an_item_with_functions_inside() {
    const IMPL: &str = "impl S { #[distributed_lock(\"k\")] fn f(&self) -> R { Ok(()) } }";
    for (args, expected) in [
        ("prefix = \"shop:\", manager = self.locks, on_error = status, wait = \"2s\"", "nothing"),
        ("ttl = \"5s\", crate = lock,", "nothing"),
        ("", "`#[distributed_locks]` needs an option"),
        ("\"key\"", "each function has its own key"),
        ("\"key:{id}\", wait = \"1s\"", "each function has its own key"),
        ("key = id", "each function has its own key"),
        ("wait = \"1s\", keys = ids", "each function has its own key"),
        ("hold = hold", "`hold` binds a name in one body"),
        ("wait = 5", "`wait = \"5s\"`"),
        ("wait = \"5s\", wait = \"5s\"", "`wait` is given twice"),
        ("timeout = \"5s\"", "did you mean `wait`?"),
        ("linger = \"5s\", fairness = strict", "remove one of them"),
    ] {
        let message = defaults_message(args, IMPL);
        assert!(message.contains(expected), "{args} says: {message}");
    }
    for (item, expected) in [
        ("mod m { impl S { #[distributed_lock(\"k\")] fn f() {} } }", "nothing"),
        ("mod m { pub mod n { #[distlock::distributed_lock(\"k\")] pub fn f() {} } }", "nothing"),
        ("pub(crate) unsafe trait T { #[distributed_lock(\"k\")] fn f() {} }", "nothing"),
        ("impl T<{ N }> for S<{ 1 }> { #[distributed_lock(\"k\")] fn f() {} }", "nothing"),
        ("impl T for fn(u8) -> u8 { #[distributed_lock(\"k\")] fn f() {} }", "nothing"),
        ("impl S { #[cfg_attr(a, distributed_lock(\"k\"))] fn f() {} }", "nothing"),
        ("impl S { fn f() {} }", "no function inside this `impl` has `#[distributed_lock(…)]`"),
        ("mod m { fn f() { #[distributed_lock(\"k\")] fn g() {} } }", "no function inside"),
        ("mod m;", "cannot see into another file"),
        ("#[distributed_lock(\"k\")] async fn f() {}", "`#[distributed_lock(…)]` on a function"),
        ("fn f() { mod m {} }", "`#[distributed_lock(…)]` on a function"),
        ("struct S { a: u8 }", "sets options for the functions inside"),
        ("const A: u8 = { mod m {} 1 };", "sets options for the functions inside"),
    ] {
        let message = defaults_message("wait = \"2s\"", item);
        assert!(message.contains(expected), "{item} says: {message}");
    }
}

#[test]
fn an_option_of_the_function_replaces_the_default() {
    for (args, expected) in [
        ("\"k\" distlock_defaults { manager = self.locks }", "the default `manager`"),
        ("\"k\", manager = m distlock_defaults { manager = self.locks }", "nothing"),
        (
            "\"k\" distlock_defaults { manager = self.m } distlock_defaults { manager = m }",
            "nothing",
        ),
        (
            "\"k\" distlock_defaults { manager = m } distlock_defaults { manager = self.m }",
            "the default",
        ),
        (
            "\"k\", linger = \"0s\" distlock_defaults { fairness = strict, linger = \"1s\" }",
            "nothing",
        ),
        ("\"k\" distlock_defaults { min_hold = \"1s\" }", "nothing"),
        ("distlock_defaults { wait = \"1s\" }", "the lock needs a key"),
        ("\"k\", distlock_defaults { wait = \"1s\" }", "nothing"),
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
