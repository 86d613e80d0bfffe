use super::*;

#[test]
fn a_log_is_read_as_it_was_written() {
    let sections = vec![
        Section { asked: 1, entered: 2, left: 3, fence: Some(9) },
        Section { asked: 4, entered: 5, left: 6, fence: None },
    ];
    let log = Log { errors: 2, unserved: Some(7), sections };
    assert_eq!(log.to_string(), "log 2 7 1,2,3,9 4,5,6,-");
    assert_eq!(log.to_string().parse::<Log>().unwrap(), log);
}

#[test]
fn another_line_is_rejected() {
    assert!("ready".parse::<Log>().is_err());
    assert!("log 0 - 1,2".parse::<Log>().is_err());
}
