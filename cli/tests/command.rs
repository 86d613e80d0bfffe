//! The command as it is typed, with a real server.

mod support;

use std::io::{BufRead as _, BufReader, PipeWriter};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use distlock::{LockGuard, LockManager};
use testkit::{Cluster, RedisServer, Sentinels, eventually};

use crate::support::distlock;

/// The limit of any wait.
const LIMIT: Duration = Duration::from_secs(20);

struct World {
    server: RedisServer,
    locks: LockManager,
}

impl World {
    fn new() -> Self {
        let server = RedisServer::start().unwrap();
        let locks = LockManager::connect(&server.url()).unwrap();
        Self { server, locks }
    }

    fn hold(&self, key: &str) -> LockGuard {
        self.locks.mutex(key).acquire_blocking().unwrap()
    }

    fn is_held(&self, key: &str) -> bool {
        self.locks.inspect_blocking(key).unwrap().holder.is_some()
    }

    fn command(&self, words: &[&str]) -> Command {
        distlock(&self.server.url(), words)
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a successful command prints.
    fn text(&self, words: &[&str]) -> String {
        let output = self.output(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a command ends.
    fn code(&self, words: &[&str]) -> Option<i32> {
        self.output(words).status.code()
    }

    /// A command that runs until the test ends it, with its output; its first line is `ready`.
    fn start(&self, words: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
        let mut child = self.command(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        (child, lines)
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

#[test]
fn ls_shows_who_holds_what_and_who_waits() {
    let world = World::new();
    let place = format!("redis://127.0.0.1:{}/", world.server.port());
    let none = format!("no locks are held at {place} with the prefix 'lock:'\n");
    assert_eq!(world.text(&["ls"]), none);
    let guards = ["order:7", "order:8", "report\n"].map(|key| world.hold(key));
    let text = world.text(&["ls"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0]
            .split_whitespace()
            .eq(["KEY", "HOLDER", "FUNCTION", "HELD", "LEFT", "TOKEN", "WAITERS", "LONGEST"])
    );
    let keys = lines[1..].iter().map(|line| line.split_whitespace().next().unwrap());
    assert!(keys.eq(["order:7", "order:8", "report\\n"]), "{text}");
    let row = lines[1];
    assert!(row.contains(&format!(":{}", std::process::id())), "{row}");
    assert!(row.contains("cli/tests/command.rs"), "{row}");
    assert!(row.contains(&guards[0].fence().to_string()), "{row}");
    // Patterns, and what is beyond the limit.
    assert_eq!(world.text(&["ls", "order:?"]).lines().count(), 3);
    assert_eq!(
        world.text(&["list", "nothing*"]),
        "no lock matches 'nothing*'; 3 others are held\n"
    );
    let with_password = place.replace("://", "://default:a-secret@") + "1";
    let elsewhere = world.text(&["ls", "--url", &with_password, "--prefix", "other:"]);
    assert_eq!(elsewhere, format!("no locks are held at {place}1 with the prefix 'other:'\n"));
    let some = world.output(&["ls", "--limit", "2"]);
    assert_eq!(String::from_utf8_lossy(&some.stdout).lines().count(), 3);
    assert!(String::from_utf8_lossy(&some.stderr).contains("more than 2 locks"), "{some:?}");
    assert_eq!(world.code(&["ls", "[a"]), Some(125));
    assert_eq!(world.code(&["ls", "--limit", "0"]), Some(125));
}

#[test]
fn a_key_that_is_listed_can_be_copied() {
    let world = World::new();
    let key = r"C:\jobs\new";
    let _guard = world.hold(key);
    let text = world.text(&["ls"]);
    let shown = text.lines().nth(1).and_then(|line| line.split_whitespace().next()).unwrap();
    assert!(world.text(&["inspect", shown]).contains("is held"), "{shown}");
}

#[test]
fn a_node_of_a_cluster_that_is_down_hides_no_locks_of_the_others() {
    let cluster = Cluster::bare_with(3, |_, builder| builder.append_only(true)).unwrap();
    let locks = LockManager::connect(&cluster.url()).unwrap();
    let keys: Vec<_> = (0..16).map(|number| format!("key {number}")).collect();
    let owners = keys.iter().map(|key| cluster.owner_of(cluster.slot_of(key)));
    let owners: Vec<_> = owners.collect();
    let hold = |key| locks.mutex(key).ttl(Duration::from_secs(600)).acquire_blocking().unwrap();
    let guards: Vec<_> = keys.into_iter().map(hold).collect();
    for down in 0..3 {
        cluster.node(down).kill();
        let others = owners.iter().filter(|owner| **owner != down).count();
        for (words, head) in [(&["ls"][..], 1), (&["ls", "--json"], 0)] {
            let output = distlock(&cluster.url(), words).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{output:?}");
            let lines = String::from_utf8_lossy(&output.stdout).lines().count();
            assert_eq!(lines, head + others, "{down}: {output:?}");
            let error = String::from_utf8_lossy(&output.stderr);
            let what = "distlock: not all locks are listed: the locks with the prefix 'lock:' ";
            assert!(error.starts_with(what), "{error}");
        }
        cluster.node(down).restart().unwrap();
        eventually(LIMIT, "it is back", || {
            distlock(&cluster.url(), &["ls"]).output().unwrap().status.success()
        });
    }
    drop(guards);
}

/// Whose reader has gone.
fn closed_pipe() -> PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let world = World::new();
    let guard = world.hold("order:7");
    let token = guard.fence().to_string();
    for (words, code) in [
        (&["ls"][..], 0),
        (&["ls", "--json"], 0),
        (&["inspect", "order:7"], 0),
        (&["inspect", "order:7", "--json"], 0),
        (&["graph"], 0),
        (&["graph", "--json"], 0),
        (&["graph", "--format", "dot"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["--help"], 0),
        (&["run", "--help"], 0),
        // Its code says what the text would.
        (&["doctor"], 1),
        (&["doctor", "--json"], 1),
        (&["release", "order:7", "--token", &token, "--yes"], 0),
    ] {
        let output = world.command(words).stdout(closed_pipe()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    }
    assert!(!world.is_held("order:7"), "it was released all the same");
    // Where nobody reads the errors either.
    let mut command = world.command(&["run", "order:7", "--", "/no/such/command"]);
    assert_eq!(command.stderr(closed_pipe()).status().unwrap().code(), Some(127));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let world = World::new();
    let _guard = world.hold("order:7");
    for words in [&["ls"][..], &["ls", "--json"], &["inspect", "order:7"], &["doctor"]] {
        let full = fs::File::create("/dev/full").unwrap();
        let output = world.command(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{words:?}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("distlock: the output cannot be written: "), "{error}");
    }
}

#[test]
fn json_has_one_object_for_each_lock() {
    let world = World::new();
    let guard = world.hold("order:7");
    let text = world.text(&["ls", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(listed["key"], "order:7");
    assert_eq!(listed["holder"]["fence"], guard.fence().get());
    let text = world.text(&["inspect", "order:7", "--json"]);
    let mut inspected: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(inspected["key"], "order:7");
    assert_eq!(inspected["holder"], listed["holder"]);
    inspected = serde_json::from_str(&world.text(&["inspect", "free", "--json"])).unwrap();
    assert!(inspected["holder"].is_null(), "{inspected}");
}

#[test]
fn inspect_shows_the_holder_and_the_queue() {
    let world = World::new();
    assert_eq!(world.text(&["inspect", "order:7"]), "order:7 is free\n");
    world.server.command(&["SET", "lock:{foreign}", "value"]);
    assert!(world.text(&["inspect", "foreign"]).contains("not a lock of this library"));
    let guard = world.hold("order:7");
    let mut waiter = world.command(&["run", "order:7", "--", "true"]).spawn().unwrap();
    eventually(LIMIT, "it waits", || world.text(&["inspect", "order:7"]).contains("1 request"));
    let text = world.text(&["inspect", "order:7"]);
    assert!(text.starts_with("order:7 is held\n"), "{text}");
    assert!(text.contains(&guard.fence().to_string()), "{text}");
    assert!(text.contains("  1. true on "), "{text}");
    guard.release_blocking().unwrap();
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn release_ends_the_hold_with_this_token_alone() {
    let world = World::new();
    let guard = world.hold("order:7");
    let token = guard.fence().to_string();
    let error = |words: &[&str]| {
        let output = world.output(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(error(&["release", "order:7"]).contains("--token"));
    assert!(error(&["release", "order:7", "--token", "x"]).contains("is a number"));
    let asks = error(&["release", "order:7", "--token", &token]);
    assert!(asks.contains("--yes"), "{asks}");
    let old = error(&["release", "order:7", "--token", "1"]);
    assert!(old.contains(&format!("held under token {token}, not 1")), "{old}");
    let other = error(&["release", "order:7", "--token", "1", "--yes"]);
    assert!(other.contains(&format!("held under token {token}, not 1")), "{other}");
    assert!(guard.hold().is_valid());
    let text = world.text(&["release", "order:7", "--token", &token, "--yes"]);
    assert_eq!(text, "order:7 is released; its holder is notified\n");
    eventually(LIMIT, "the holder knows", || !guard.hold().is_valid());
    let free = error(&["release", "order:7", "--token", &token, "-y"]);
    assert!(free.contains("order:7 is not held"), "{free}");
}

/// In a terminal of its own: what it shows, and what its keys do.
#[cfg(unix)]
#[test]
fn top_shows_inspects_and_releases_locks_in_a_terminal() {
    let world = World::new();
    let quiet = world.hold("order:7");
    let busy = world.hold("report");
    let mut waiter = world.command(&["run", "report", "--", "true"]).spawn().unwrap();
    eventually(LIMIT, "it waits", || world.text(&["inspect", "report"]).contains("1 request"));

    let terminal = Terminal::start(&world, 30, &["top", "--interval", "50ms"]);
    terminal.shows("2 locks, 1 request waits, by waiters");
    let screen = terminal.screen();
    let places = ["report", "order:7"].map(|key| screen.find(key).expect("it is listed"));
    assert!(places.is_sorted(), "the one with a waiter comes first: {screen}");
    terminal.press("Enter");
    terminal.shows("report is held");
    terminal.press("Escape");
    for order in ["by wait", "by hold time", "by key"] {
        terminal.press("s");
        terminal.shows(order);
    }
    // The cursor has stayed at its key.
    terminal.press("r");
    terminal.shows("y releases it");
    terminal.press("n");
    terminal.shows("nothing was released");
    assert!(busy.hold().is_valid());
    terminal.press("r");
    terminal.shows("report is held by");
    terminal.press("y");
    terminal.shows("report is released");
    eventually(LIMIT, "the holder knows", || !busy.hold().is_valid());
    assert!(waiter.wait().unwrap().success(), "the next one has it");
    terminal.shows("1 lock, 0 requests wait");
    assert!(quiet.hold().is_valid());
    terminal.press("q");
    eventually(LIMIT, "it has ended", || terminal.screen().contains("exit 0"));
    drop(terminal);
    let _third = world.hold("order:8");
    let terminal = Terminal::start(&world, 30, &["top", "--limit", "1"]);
    terminal.shows("1 lock of more, see --limit, ");
}

#[cfg(unix)]
#[test]
fn top_says_that_what_it_shows_is_old() {
    let world = World::new();
    let _guard = world.hold("order:7");
    let terminal = Terminal::start(&world, 30, &["top", "--interval", "50ms"]);
    terminal.shows("1 lock, 0 requests wait");
    world.server.kill();
    terminal.shows(" ago: 1 lock, 0 requests wait");
    terminal.shows("the locks with the prefix 'lock:' cannot be listed");
    terminal.press("Down");
    terminal.shows("the locks with the prefix 'lock:' cannot be listed");
    terminal.press("q");
    eventually(LIMIT, "it has ended", || terminal.screen().contains("exit 0"));
}

#[test]
fn top_needs_a_terminal_and_leaves_the_server_time() {
    let world = World::new();
    for (words, what) in [
        (&["top"][..], "top needs a terminal; `distlock ls` prints the locks once"),
        (&["top", "--interval", "0s"], "the shortest is 10ms"),
        (&["top", "--interval", "1"], "time unit needed"),
        (&["top", "--limit", "0"], "--limit"),
    ] {
        let output = world.output(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(what), "{output:?}");
    }
}

/// `UPDATE_SNAPSHOTS=1` writes it.
#[cfg(unix)]
#[test]
fn the_picture_of_top_in_the_docs_is_what_a_terminal_shows() {
    let world = World::new();
    let [shop, second, third] =
        [(); 3].map(|()| LockManager::connect(&world.server.url()).unwrap());
    let hold = |key: &str, function| shop.mutex(key).function(function);
    let order = hold("order:7", "shop::pay").label("v1.4").acquire_blocking().unwrap();
    let stock = hold("stock", "shop::count").acquire_blocking().unwrap();
    let _report = hold("report:november", "reports::write").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let mut calls = Vec::new();
        for (locks, key, function, waiting) in [
            (&second, "order:7", "shop::cancel", 1),
            (&third, "order:7", "shop::refund", 2),
            (&third, "stock", "shop::reserve", 1),
        ] {
            let request = locks.mutex(key).function(function).wait(LIMIT);
            calls.push(scope.spawn(move || request.acquire_blocking().map(drop)));
            let waits = || shop.inspect_blocking(key).unwrap().waiting == waiting;
            eventually(LIMIT, "it waits", waits);
        }
        let terminal = Terminal::start(&world, 20, &["top"]);
        terminal.shows("3 locks, 3 requests wait, by waiters");
        terminal.press("Enter");
        terminal.shows("order:7 is held");
        // Spans that are shorter are shown in another unit.
        eventually(LIMIT, "all is a second old", || !terminal.screen().contains("ms "));
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]);
        let svg = anstyle_svg::Term::new().render_svg(screen.trim_end());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/top.svg");
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(path, &svg).unwrap();
        }
        let kept = fs::read_to_string(path).unwrap();
        assert_eq!(lasting_words(&kept), lasting_words(&svg), "UPDATE_SNAPSHOTS=1 writes it");
        order.release_blocking().unwrap();
        stock.release_blocking().unwrap();
        for call in calls {
            call.join().unwrap().unwrap();
        }
    });
}

/// The words of a picture, without those that differ each time: numbers, and names of hosts.
fn lasting_words(svg: &str) -> Vec<&str> {
    let (_, drawn) = svg.split_once("</style>").expect("it has a style");
    let texts = drawn.split('<').filter_map(|part| Some(part.split_once('>')?.1));
    let words: Vec<_> = texts.flat_map(str::split_whitespace).collect();
    let is_host = |place: usize| words.get(place + 1) == Some(&"process");
    let lasts = |&(place, word): &(usize, &&str)| {
        !word.contains(|c: char| c.is_ascii_digit()) && !is_host(place)
    };
    words.iter().enumerate().filter(lasts).map(|(_, word)| *word).collect()
}

/// A terminal multiplexer with one window, in which a command runs.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(world: &World, height: u16, words: &[&str]) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("distlock-{}-{number}", std::process::id()) };
        let command = format!(
            "DISTLOCK_URL={} '{}' {}; echo exit $?; cat",
            world.server.url(),
            env!("CARGO_BIN_EXE_distlock"),
            words.join(" ")
        );
        let size = ["-x120", &format!("-y{height}")];
        terminal.tmux(&[&["-f/dev/null", "new-session", "-d"][..], &size, &[&command]].concat());
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(words).output();
        let output = output.expect("tmux is installed: test.sh does that");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        eventually(LIMIT, text, || self.screen().contains(text));
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).status();
    }
}

#[test]
fn run_holds_the_lock_while_the_command_runs() {
    let world = World::new();
    let script = "trap 'exit 7' USR1; echo ready; echo $DISTLOCK_KEY $DISTLOCK_TOKEN; \
                  while :; do sleep 0.01; done";
    let options = ["run", "report", "--label", "nightly"];
    let (mut child, mut lines) = world.start(&[&options[..], &["--", "sh", "-c", script]].concat());
    let holder = world.locks.inspect_blocking("report").unwrap().holder.unwrap();
    let others_see = (holder.function.as_str(), holder.label.as_deref());
    assert_eq!(others_see, ("sh", Some("nightly")));
    assert!(world.text(&["ls"]).contains(" sh (nightly) "));
    assert_eq!(lines.next(), Some(format!("report {}", holder.fence)));
    signal(&child, "USR1");
    assert_eq!(child.wait().unwrap().code(), Some(7), "the exit code of the command");
    assert!(!world.is_held("report"));
    assert_eq!(world.code(&["run", "report", "--", "sh", "-c", "kill -TERM $$"]), Some(128 + 15));
}

#[test]
fn run_says_that_the_lock_is_busy() {
    let world = World::new();
    let _guard = world.hold("report");
    let touch = |words: &[&str]| world.output(&[words, &["--", "echo", "ran"]].concat());
    for (words, code) in [
        (&["run", "report", "--if-busy", "fail"][..], 124),
        (&["run", "report", "--if-busy", "skip"], 0),
        (&["run", "report", "--wait", "1s"], 124),
        (&["run", "report", "--wait", "1s", "--if-busy", "skip"], 0),
    ] {
        let output = touch(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(error.contains("is busy") || error.contains("held by"), code != 0, "{error}");
    }
    // Waiting ends with a signal.
    let child = world.command(&["run", "report", "--", "true"]).spawn().unwrap();
    let waits = || world.locks.inspect_blocking("report").unwrap().waiting == 1;
    eventually(LIMIT, "it waits", waits);
    signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(128 + 15));
    eventually(LIMIT, "it has left the queue", || !waits());
}

#[test]
fn a_lost_hold_ends_the_command() {
    let world = World::new();
    let script = "trap 'echo ends; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let command = ["run", "report", "--ttl", "1s", "--", "sh", "-c", script];
    let (child, mut lines) = world.start(&command);
    world.server.command(&["DEL", "lock:{report}"]);
    assert_eq!(lines.next().as_deref(), Some("ends"), "it was asked to end");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(123));
    // One that does not listen is killed.
    let script = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
    let limits = ["run", "report", "--max-hold", "1s", "--kill-after", "100ms"];
    let (child, _lines) = world.start(&[&limits[..], &["--", "sh", "-c", script]].concat());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(123));
}

#[test]
fn a_hold_that_is_found_lost_at_its_release_is_no_success() {
    let world = World::new();
    let port = world.server.port();
    let lose = format!("redis-cli -p {port} DEL 'lock:{{report}}' >/dev/null");
    let run = |script: &str| world.output(&["run", "report", "--", "sh", "-c", script]);
    let output = run(&lose);
    assert_eq!(output.status.code(), Some(123), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("was lost while it was held"));
    let failed = run(&format!("{lose}; exit 7"));
    assert_eq!(failed.status.code(), Some(7), "the command knows more: {failed:?}");
}

#[test]
fn min_hold_keeps_the_lock_after_the_command() {
    let world = World::new();
    let job = ["run", "tick", "--min-hold", "1h", "--if-busy", "skip", "--", "echo", "ran"];
    assert_eq!(world.text(&job), "ran\n");
    assert_eq!(world.text(&job), "", "once for each tick");
    let text = world.text(&["inspect", "tick"]);
    assert!(text.contains("kept by min_hold"), "{text}");
    let token = text.lines().find_map(|line| line.trim().strip_prefix("token    ")).unwrap();
    let text = world.text(&["release", "tick", "--token", token, "--yes"]);
    assert_eq!(text, "tick is released\n", "it has no holder to be notified");
    assert_eq!(world.text(&job), "ran\n");
}

#[test]
fn what_fails_says_so_with_a_code_of_its_own() {
    let world = World::new();
    assert_eq!(world.code(&["run", "key", "--", "/no/such/command"]), Some(127));
    assert_eq!(world.code(&["run", "key", "--", "/"]), Some(126));
    assert!(!world.is_held("key"));
    assert_eq!(world.code(&["run", "key"]), Some(125), "no command");
    assert_eq!(world.code(&["run", "key", "--ttl", "soon", "--", "true"]), Some(125));
}

/// What is wrong, why, and what to do, of servers that cannot be asked.
#[test]
fn servers_that_cannot_be_asked_are_named_with_what_to_do() {
    let world = World::new();
    let (_guard, port) = (world.hold("order:7"), world.server.port());
    let replica = RedisServer::start().unwrap();
    replica.command(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    world.server.command(&["ACL", "SETUSER", "app", "on", ">right", "~lock:*", "&*", "+@all"]);
    let listing = "the locks with the prefix 'lock:' cannot be listed: ";
    for (url, why, next) in [
        ("redis://127.0.0.1:1/".to_owned(), "127.0.0.1:1: Connection refused", "server runs"),
        (format!("redis://app:wrong@127.0.0.1:{port}/"), "WRONGPASS", "check user and password"),
        (format!("redis://127.0.0.1:{port}/99"), "DB index is out of", "name one of the databases"),
        (replica.url(), "this is a replica", "connect to the primary"),
    ] {
        for (words, what) in [
            (&["ls"][..], listing),
            (&["graph"], listing),
            (&["inspect", "order:7"], "lock 'order:7' cannot be inspected: "),
            (&["release", "order:7", "--token", "1", "--yes"], "lock 'order:7' "),
        ] {
            let output = distlock(&url, words).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{url} {words:?}: {output:?}");
            assert!(output.stdout.is_empty(), "{output:?}");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.starts_with(&format!("distlock: {what}")), "{url}: {error}");
            assert!(error.contains(why) && error.contains(next), "{url}: {error}");
            assert!(!error.contains("wrong@"), "{error}");
        }
    }
    world.server.command(&["ACL", "SETUSER", "app", "-scan"]);
    let output = distlock(&format!("redis://app:right@127.0.0.1:{port}/"), &["ls"]).output();
    let error = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(error.contains("grant the user `+scan`"), "{error}");
    for (url, what) in [
        ("nonsense", "the server's URL cannot be used (it has no scheme)"),
        ("redis-cluster://one/2", "a cluster has only the database 0"),
    ] {
        let output = distlock(url, &["ls"]).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(what), "{output:?}");
    }
}

#[test]
fn sentinels_may_require_a_password() {
    let world = World::new();
    let guard = world.hold("order:7");
    let (sentinels, url) = Sentinels::watching(&world.server).unwrap();
    for sentinel in &sentinels {
        sentinel.command(&["ACL", "SETUSER", "default", "resetpass", ">of-default"]);
    }
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.command(words);
        command.env("DISTLOCK_URL", &url).envs(variables.iter().copied()).output().unwrap()
    };
    for variables in [&[][..], &[("DISTLOCK_SENTINEL_PASSWORD", "")]] {
        let output = run(&["ls"], variables);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("the Sentinels refuse the user or the password"), "{error}");
        assert!(error.contains("set DISTLOCK_SENTINEL_USER and DISTLOCK_SENTINEL_PASS"), "{error}");
    }
    let variable = [("DISTLOCK_SENTINEL_PASSWORD", "of-default")];
    let option = ["--sentinel-password", "of-default"];
    let token = guard.fence().to_string();
    for words in [
        &["ls"][..],
        &["inspect", "order:7"],
        &["graph"],
        &["run", "report", "--", "true"],
        &["release", "order:7", "--token", &token, "--yes"],
    ] {
        let output = run(words, &variable);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    let listed = run(&[&option[..], &["ls"]].concat(), &[("DISTLOCK_SENTINEL_USER", "")]);
    assert!(listed.status.success(), "a variable that is empty is not set: {listed:?}");
    let user = ["--sentinel-user", "nobody"];
    let refused = run(&[&["ls"], &option[..], &user].concat(), &[]);
    assert_eq!(refused.status.code(), Some(125), "{refused:?}");
    let shown = format!("{refused:?}");
    assert!(!shown.contains("of-default"), "{shown}");
}

#[test]
fn a_variable_that_is_empty_is_not_set() {
    let world = World::new();
    let _guard = world.hold("order:7");
    let mut command = world.command(&["ls"]);
    command.env("DISTLOCK_URL", "").env("REDIS_URL", world.server.url());
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("order:7"), "{output:?}");
}

#[test]
fn completions_and_the_man_page_know_all_commands() {
    let world = World::new();
    for words in [&["completions", "bash"][..], &["completions", "zsh"], &["man"]] {
        let text = world.text(words);
        for part in ["inspect", "run", "top", "release", "doctor", "graph", "tls-ca", "tls-key"] {
            let part = if words == ["man"] { part.replace('-', "\\-") } else { part.to_owned() };
            assert!(text.contains(&part), "{words:?}: no {part}");
        }
    }
    let page = world.text(&["man", "run"]);
    for part in ["distlock\\-run", "min\\-hold", "url", "Exit codes"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert_eq!(world.code(&["man", "no-such-command"]), Some(125));
}

#[test]
fn the_help_of_each_command_says_what_its_options_mean() {
    let world = World::new();
    for command in
        ["ls", "inspect", "graph", "doctor", "top", "release", "run", "completions", "man"]
    {
        let text = world.text(&[command, "--help"]);
        for part in ["--url <URL>", "--prefix <PREFIX>", "--sentinel-password", "Connection:"] {
            assert!(text.contains(part), "{command}: no {part} in {text}");
        }
        for part in ["--tls-ca <FILE>", "--tls-cert <FILE>", "--tls-key <FILE>", "DISTLOCK_TLS_CA"]
        {
            assert!(text.contains(part), "{command}: no {part} in {text}");
        }
        // Each option and each argument has a text behind it.
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].trim_start().starts_with("--")) {
            let has_text = pair[0].trim().contains("  ") || pair[1].starts_with("          ");
            assert!(has_text, "{command}: {}", pair[0]);
        }
    }
}
