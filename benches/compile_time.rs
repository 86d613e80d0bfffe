//! What a thousand annotated functions cost to compile, beside the same functions with
//! `tracing::instrument` and without any attribute. Half of them are async unless `--kind` says
//! otherwise.
//!
//! `cargo bench --bench compile_time`

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, ValueEnum};

#[derive(Parser)]
struct Options {
    /// How often each crate is compiled, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Functions in each crate.
    #[arg(long, default_value_t = 1_000)]
    functions: u32,
    /// Which functions.
    #[arg(long, value_enum, default_value_t = Kind::Mixed)]
    kind: Kind,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Mixed,
    Sync,
    Async,
}

impl Kind {
    const fn is_async(self, number: u32) -> bool {
        match self {
            Self::Mixed => number % 2 == 1,
            Self::Sync => false,
            Self::Async => true,
        }
    }
}

/// A crate of its own with the same functions under another attribute.
struct Subject {
    name: &'static str,
    attribute: fn(u32) -> String,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "locked",
        attribute: |number| format!("#[distlock::distributed_lock(\"key{number}:{{id}}\")]\n"),
    },
    Subject { name: "instrumented", attribute: |_| "#[tracing::instrument]\n".to_owned() },
    Subject { name: "plain", attribute: |_| String::new() },
];

const COMMANDS: [(&str, &[&str]); 3] = [
    ("cargo check", &["check"]),
    ("cargo build", &["build"]),
    ("cargo build --release", &["build", "--release"]),
];

fn main() {
    let options = Options::parse();
    for subject in &SUBJECTS {
        subject.write(&options);
    }
    for (title, command) in COMMANDS {
        // The first run compiles the dependencies.
        let _ = round(command);
        let rounds: Vec<[Duration; 3]> = (0..options.rounds).map(|_| round(command)).collect();
        let [locked, instrumented, plain] = [0, 1, 2].map(|of| median(&rounds, |round| round[of]));
        let ratio = median(&rounds, |round| round[0].as_secs_f64() / round[1].as_secs_f64());
        println!(
            "{title:<22} locked {locked:>6.2?}   instrumented {instrumented:>6.2?}   plain \
             {plain:>6.2?}   locked / instrumented {ratio:.2} (median of {} rounds)",
            options.rounds
        );
    }
}

/// Compiles each crate once.
fn round(command: &[&str]) -> [Duration; 3] {
    SUBJECTS.each_ref().map(|subject| subject.compile(command))
}

fn median<T: PartialOrd>(rounds: &[[Duration; 3]], figure: impl Fn(&[Duration; 3]) -> T) -> T {
    let mut figures: Vec<T> = rounds.iter().map(figure).collect();
    figures.sort_by(|left, right| left.partial_cmp(right).expect("a time is a number"));
    figures.swap_remove(figures.len() / 2)
}

impl Subject {
    fn directory(&self) -> PathBuf {
        root().join("target/compile-time").join(self.name)
    }

    fn source(&self) -> PathBuf {
        self.directory().join("src/lib.rs")
    }

    fn write(&self, options: &Options) {
        fs::create_dir_all(self.directory().join("src")).expect("the crate can be made");
        let manifest = format!(
            "[package]\nname = \"{}\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
             distlock.path = '{}'\ntracing = \"0.1\"\n",
            self.name,
            root().display()
        );
        fs::write(self.directory().join("Cargo.toml"), manifest).expect("it can be written");
        fs::copy(root().join("Cargo.lock"), self.directory().join("Cargo.lock")).expect("likewise");
        fs::write(self.source(), self.functions(options)).expect("likewise");
    }

    fn functions(&self, options: &Options) -> String {
        let mut text = String::new();
        for number in 0..options.functions {
            let (attribute, keyword) = (
                (self.attribute)(number),
                if options.kind.is_async(number) { "async " } else { "" },
            );
            write!(
                text,
                "{attribute}pub {keyword}fn f{number}(id: u64, name: &str) -> Result<u64, \
                 distlock::LockError> {{\n\
                 let sum = id + {number};\nif name.is_empty() {{\nreturn Ok(0);\n}}\nOk(sum * \
                 {number})\n}}\n"
            )
            .expect("a string takes all");
        }
        text
    }

    fn compile(&self, command: &[&str]) -> Duration {
        let source = File::options().append(true).open(self.source()).expect("it was written");
        source.set_modified(SystemTime::now()).expect("its time can be set");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(command).arg("--quiet").current_dir(self.directory());
        // From nothing each time; one directory for all, so that their dependencies are compiled
        // once.
        cargo
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_TARGET_DIR", self.directory().with_file_name("target"));
        let start = Instant::now();
        let status = cargo.status().expect("cargo runs");
        let took = start.elapsed();
        assert!(status.success(), "{} compiles", self.name);
        took
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
