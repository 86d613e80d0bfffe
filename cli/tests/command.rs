//! The command as it is typed, with a real server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use distlock::{LockGuard, LockManager};
use testkit::{RedisServer, Sentinels, eventually};

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
        let mut command = Command::new(env!("CARGO_BIN_EXE_distlock"));
        command.args(words).env("DISTLOCK_URL", self.server.url()).stdin(Stdio::null());
        for name in ["DISTLOCK_PREFIX", "REDIS_URL", "DISTLOCK_SENTINEL_USER"] {
            command.env_remove(name);
        }
        command.env_remove("DISTLOCK_SENTINEL_PASSWORD");
        command
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
    assert_eq!(world.text(&["ls"]), "no locks are held\n");
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
    assert_eq!(world.text(&["list", "nothing*"]), "no locks are held\n");
    let some = world.output(&["ls", "--limit", "2"]);
    assert_eq!(String::from_utf8_lossy(&some.stdout).lines().count(), 3);
    assert!(String::from_utf8_lossy(&some.stderr).contains("more than 2 locks"), "{some:?}");
    assert_eq!(world.code(&["ls", "[a"]), Some(125));
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
fn min_hold_keeps_the_lock_after_the_command() {
    let world = World::new();
    let job = ["run", "tick", "--min-hold", "1h", "--if-busy", "skip", "--", "echo", "ran"];
    assert_eq!(world.text(&job), "ran\n");
    assert_eq!(world.text(&job), "", "once for each tick");
    assert!(world.text(&["inspect", "tick"]).contains("kept by min_hold"));
}

#[test]
fn what_fails_says_so_with_a_code_of_its_own() {
    let world = World::new();
    assert_eq!(world.code(&["run", "key", "--", "/no/such/command"]), Some(127));
    assert_eq!(world.code(&["run", "key", "--", "/"]), Some(126));
    assert!(!world.is_held("key"));
    assert_eq!(world.code(&["run", "key"]), Some(125), "no command");
    assert_eq!(world.code(&["run", "key", "--ttl", "soon", "--", "true"]), Some(125));
    let output = world.output(&["ls", "--url", "redis://127.0.0.1:1/"]);
    assert_eq!(output.status.code(), Some(125));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("distlock: ") && error.contains("127.0.0.1:1"), "{error}");
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
    let listed = run(&[&option[..], &["ls"]].concat(), &[]);
    assert!(listed.status.success(), "{listed:?}");
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
        for command in ["inspect", "run", "top", "release", "doctor", "graph"] {
            assert!(text.contains(command), "{words:?}: no {command}");
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
    for command in ["ls", "inspect", "graph", "doctor", "top", "release", "run"] {
        let text = world.text(&[command, "--help"]);
        for part in ["--url <URL>", "--prefix <PREFIX>", "--sentinel-password", "Connection:"] {
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
