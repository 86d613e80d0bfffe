use super::*;

fn has_failed(output: &str) -> bool {
    output.contains("FAILED")
}

fn shell(script: &str, limit: Duration) -> (RunEnd, String) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let end = watch(Command::new("sh").args(["-c", script]), &log, limit, has_failed).unwrap();
    (end, fs::read_to_string(log).unwrap())
}

#[test]
fn output_and_exit_status_are_recorded() {
    let (end, output) = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
    assert_eq!(output, "out\nerr\n");
    assert!(matches!(end, RunEnd::Exit(status) if status.code() == Some(3)));
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children() {
    let (end, output) = shell("sleep 600 & echo $!; wait", Duration::from_millis(300));
    assert_eq!(end, RunEnd::TimeLimit);
    let started = Path::new("/proc").join(output.trim()).join("stat");
    let is_gone = || fs::read_to_string(&started).map_or(true, |stat| stat.contains(") Z "));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_gone() {
        assert!(Instant::now() < deadline, "the child is still running");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_command_is_killed_when_its_output_holds_a_detection() {
    let (end, _) = shell("echo FAILED; sleep 600", Duration::from_secs(60));
    assert_eq!(end, RunEnd::Detected);
}
