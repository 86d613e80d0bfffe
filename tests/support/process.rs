//! Child processes that run a test of this binary in another role.

use std::any::type_name;
use std::env;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

const URL: &str = "DISTLOCK_TEST_PARENT_URL";
const NAME: &str = "DISTLOCK_TEST_PARENT_NAME";

/// The parameters that the test passes to a child process.
pub struct Orders {
    /// The server of the test.
    pub url: String,
    /// The number of this process.
    pub name: String,
}

/// The parameters of this process, if a test has started it.
pub fn orders() -> Option<Orders> {
    let (url, name) = (env::var(URL).ok()?, env::var(NAME).ok()?);
    Some(Orders { url, name })
}

/// A child process, killed when dropped.
pub struct Process(Option<Child>);

impl Process {
    /// Starts this binary with `test` alone, which finds its [`orders`].
    pub fn start<F: Fn()>(_test: F, url: &str, name: &str) -> Self {
        Self::start_with(&["--exact", path::<F>(), "--nocapture"], url, name)
    }

    /// As [`Self::start`], as an argument of another program.
    pub fn start_under<F: Fn()>(mut program: Command, _test: F, url: &str, name: &str) -> Self {
        program.arg(env::current_exe().expect("a running program has a path"));
        program.args(["--exact", path::<F>(), "--nocapture"]).env(URL, url).env(NAME, name);
        Self::spawn(program)
    }

    /// Starts this binary with arguments for libtest.
    pub fn start_with(arguments: &[&str], url: &str, name: &str) -> Self {
        let mut command = this_binary();
        command.args(arguments).env(URL, url).env(NAME, name);
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().expect("this binary starts again")))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("taken out by `finish` only")
    }

    pub fn id(&mut self) -> u32 {
        self.child().id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child().try_wait().expect("a child can be waited for").is_none()
    }

    /// SIGKILL, also to a process that is stopped.
    pub fn kill(&mut self) {
        self.child().kill().expect("a child can be killed");
    }

    /// Returns when it has stopped.
    pub fn pause(&mut self) {
        testkit::pause_child(self.id());
    }

    pub fn resume(&mut self) {
        testkit::resume_child(self.id());
    }

    /// Waits until it has printed this text.
    pub fn until_printed(&mut self, text: &str) {
        let out = self.child().stdout.as_mut().expect("it is piped");
        let mut printed = Vec::new();
        while !String::from_utf8_lossy(&printed).contains(text) {
            let mut byte = [0];
            out.read_exact(&mut byte).expect("it prints that");
            printed.extend(byte);
        }
    }

    /// Closes the pipes that it writes to, after it has printed this.
    pub fn close_outputs_after(&mut self, text: &str) {
        self.until_printed(text);
        let child = self.child();
        drop((child.stdout.take(), child.stderr.take()));
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child().wait().expect("a child can be waited for").code()
    }

    /// What it has printed on its standard error.
    pub fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = &mut self.child().stderr {
            errors.read_to_string(&mut text).expect("a program prints text");
        }
        text
    }

    /// Waits for its successful end. Returns its output.
    #[track_caller]
    pub fn finish(mut self) -> String {
        let child = self.0.take().expect("finished once");
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}:\n{out}\n{err}", output.status);
        out
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The path of a test within its binary.
fn path<F>() -> &'static str {
    let (_, path) = type_name::<F>().split_once("::").expect("a test's path begins with its crate");
    path
}

/// The path of this program.
pub fn this_binary() -> Command {
    Command::new(env::current_exe().expect("a running program has a path"))
}
