//! What Prometheus gets from `examples/observed.rs`, and what the dashboard and the alert rules
//! make of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use serde_json::Value;
use testkit::{RedisServer, ReservedPort, eventually};

const LIMIT: Duration = Duration::from_secs(25);

/// Killed at the end.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{name} does not start: {error}. {MISSING}")))
    }
}

const MISSING: &str = "This test needs `prometheus` and `promtool` on the PATH (Debian: `apt-get \
    install prometheus`), and the example: `cargo build --features metrics --example observed`";

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The example, which test.sh builds first.
fn example() -> PathBuf {
    let mut folder = env::current_exe().expect("this test");
    folder.pop();
    folder.with_file_name("examples").join("observed")
}

fn promtool(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("promtool").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("promtool: {error}. {MISSING}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The values of a query, by their labels.
fn query(url: &str, query: &str) -> Result<BTreeMap<String, f64>, String> {
    let found = promtool(&["query", "instant", url, query])?;
    let line = |line: &str| {
        let (labels, value) = line.rsplit_once(" => ")?;
        Some((labels.trim().to_owned(), value.split(' ').next()?.parse().ok()?))
    };
    Ok(found.lines().filter_map(line).collect())
}

/// The queries of the dashboard, with its variables replaced as Grafana does.
fn dashboard() -> Vec<String> {
    let text = fs::read_to_string(repository().join("docs/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let query = |target: &Value| {
        let query = target["expr"].as_str().expect("a target has a query");
        let query = query.replace("$instance", ".*").replace("$key", ".*");
        query.replace("$__rate_interval", "1m")
    };
    targets.map(query).collect()
}

#[test]
fn the_alert_rules_are_valid_and_fire_when_they_should() {
    let rules = repository().join("docs/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()]).expect("they are valid");
    let tests = repository().join("tests/alerts.yml");
    let tested = promtool(&["test", "rules", tests.to_str().unwrap()]);
    tested.unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn prometheus_gets_all_that_the_dashboard_and_the_alerts_ask_for() {
    let server = RedisServer::builder().append_only(true).start().unwrap();
    let (metrics, api) = (ReservedPort::for_server().unwrap(), ReservedPort::for_server().unwrap());
    let listen = format!("127.0.0.1:{}", metrics.number());
    let _example = Running::start(
        Command::new(example())
            .args(["--listen", &listen, "--seconds", "120"])
            .env("DISTLOCK_URL", server.url()),
    );
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("prometheus.yml");
    let rules = fs::canonicalize(repository().join("docs/alerts.yml")).unwrap();
    let text = format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 500ms}}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{job_name: observed, static_configs: [{{targets: ['{listen}']}}]}}]\n",
        rules.display()
    );
    fs::write(&configuration, text).unwrap();
    let address = format!("127.0.0.1:{}", api.number());
    let _prometheus = Running::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error"),
    );
    let url = format!("http://{address}");
    let has = |wanted: &str| query(&url, wanted).is_ok_and(|found| !found.is_empty());
    eventually(LIMIT, "there are two scrapes", || has("count_over_time(up[1m]) > 1 and up == 1"));
    // A new connection, and a server that has lost its data.
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    eventually(LIMIT, "it is connected again", || has("distlock_reconnects_total == 1"));
    server.command(&["FLUSHALL"]);
    for wanted in dashboard() {
        eventually(LIMIT, &format!("there is {wanted}"), || has(&wanted));
    }
    let busy = r#"distlock_errors_total{key="report",kind="busy"} > 2"#;
    let expected = [
        busy,
        r#"distlock_acquisitions_total{key="account:{id}",via="server"} > 2"#,
        r#"distlock_reentries_total{key="account:{id}"} > 2"#,
        r#"distlock_losses_total{key="import",reason="max_hold"} > 0"#,
        r#"distlock_errors_total{key="stock",kind="deadlock"} > 0"#,
        r#"distlock_hold_seconds_bucket{key="account:{id}",le="+Inf"} > 2"#,
        "distlock_disconnected == 0",
        "distlock_grants_resume_timestamp_seconds > 1.7e9",
        r#"ALERTS{alertname="DistlockLost",key="import",alertstate="firing"}"#,
        r#"ALERTS{alertname="DistlockDeadlock",key="stock",alertstate="firing"}"#,
    ];
    for wanted in expected {
        eventually(LIMIT, &format!("there is {wanted}"), || has(wanted));
    }
    // One at a time.
    let held = query(&url, r#"distlock_holds{key="report"}"#).unwrap();
    assert!(held.values().all(|&held| (0.0..=1.0).contains(&held)), "{held:?}");
    let all = promtool(&["query", "labels", &url, "__name__"]).unwrap();
    let page = fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    for name in all.lines().filter(|name| name.starts_with("distlock_")) {
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        assert!(page.contains(&format!("`{name}`")), "docs/metrics.md does not have {name}");
    }
}
