use super::*;

#[test]
fn the_command_line_is_valid() {
    <Options as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn mutants_run_unless_another_mode_is_given() {
    let mode = |words: &str| Options::try_parse_from(words.split(' ')).map(|it| it.mode());
    assert_eq!(mode("mutants --only 07,9 --suites parity").unwrap(), Mode::Run);
    assert_eq!(mode("mutants --check").unwrap(), Mode::Check);
    assert_eq!(mode("mutants --compile --only 1").unwrap(), Mode::Compile);
    assert!(mode("mutants --list --check").is_err());
    assert!(mode("mutants --table a.md --only 7").is_err());
}
