use super::*;

fn said(line: &str) -> ServerError {
    ServerError::new(line)
}

/// Why no connection was made.
pub(crate) fn errors() -> impl Iterator<Item = (&'static str, ConnectError)> {
    let host = || "redis-1".to_owned();
    let tcp = || Address::Tcp { host: host(), port: 6379 };
    let tls = || Address::Tls { host: host(), port: 6380, insecure: false };
    let socket = || Address::Unix("/run/redis.sock".into());
    let of_system = |kind, text: &str| OpenError::Server(io::Error::new(kind, text).into());
    let invalid = |text| of_system(ErrorKind::InvalidData, text);
    let server = |line| OpenError::Server(WireError::Server(said(line)));
    let broken = || OpenError::Server(io::Error::from(ErrorKind::UnexpectedEof).into());
    let not_redis = || OpenError::Server(WireError::Unexpected(NOT_RESP));
    let unknown = "failed to lookup address information: Name or service not known";
    let certificate = "invalid peer certificate: certificate not valid for name \"redis-1\"";
    let wrong_password = "WRONGPASS invalid username-password pair or user is disabled.";
    let given = [
        ("none listens", tcp(), of_system(ErrorKind::ConnectionRefused, "Connection refused")),
        ("unknown host", tcp(), no_address(unknown)),
        ("slow", tcp(), OpenError::Slow(Duration::from_secs(3))),
        ("hangs up", tcp(), broken()),
        ("TLS, hangs up", tls(), broken()),
        ("not Redis", tcp(), not_redis()),
        ("TLS, not Redis", tls(), not_redis()),
        ("TLS, expected", tcp(), OpenError::Server(WireError::Unexpected(TLS_ALERT))),
        ("no socket", socket(), of_system(ErrorKind::NotFound, "No such file or directory")),
        ("foreign socket", socket(), of_system(ErrorKind::PermissionDenied, "Permission denied")),
        ("TLS, not spoken", tls(), OpenError::WithoutTls),
        ("TLS, unknown authority", tls(), invalid("invalid peer certificate: UnknownIssuer")),
        ("TLS, another name", tls(), invalid(certificate)),
        ("TLS, early", tls(), invalid("invalid peer certificate: NotValidYet")),
        ("TLS, expired", tls(), invalid("invalid peer certificate: Expired")),
        ("TLS, bad certificate", tls(), invalid("invalid peer certificate: BadEncoding")),
        ("TLS, no own certificate", tls(), invalid("received fatal alert: CertificateRequired")),
        ("TLS, own certificate", tls(), invalid("received fatal alert: UnknownCA")),
        ("TLS, no common version", tls(), invalid("received fatal alert: ProtocolVersion")),
        ("wrong password", tcp(), server(wrong_password)),
        (
            "no password",
            tcp(),
            server(
                "NOAUTH HELLO must be called with the client already \
            authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used",
            ),
        ),
        ("replica", tcp(), server("READONLY You can't write against a read only replica.")),
        ("loads", tcp(), server("LOADING Redis is loading the dataset in memory")),
        ("old", tcp(), server("ERR unknown command 'HELLO'")),
        ("full", tcp(), server("ERR max number of clients reached")),
        ("no credentials", tcp(), OpenError::NoCredentials("no token".to_owned())),
    ];
    let failed = |(name, address, error)| (name, connect_error(&address, error, false));
    let provided = ("provided password", connect_error(&tcp(), server(wrong_password), true));
    given.into_iter().map(failed).chain([provided])
}

/// What an attempt to connect ends with that is answered so.
fn connect(error: WireError) -> ConnectError {
    let address = Address::Tcp { host: "host".to_owned(), port: 6379 };
    connect_error(&address, OpenError::Server(error), false)
}

#[test]
fn each_code_of_a_server_has_one_meaning_for_a_call_and_one_for_an_attempt_to_connect() {
    use CommandError as Outcome;
    use ConnectErrorKind::{Permanent, Unreachable};
    type Made = fn(String) -> CommandError;
    let rows: [(&str, Made, ConnectErrorKind); 21] = [
        ("NOSCRIPT No matching script.", |_| Outcome::ScriptMissing, Unreachable),
        ("BUSY Redis is busy running a script.", Outcome::TryAgain, Unreachable),
        ("TRYAGAIN Multiple keys request during rehashing", Outcome::TryAgain, Unreachable),
        ("CLUSTERDOWN Hash slot not served", Outcome::TryAgain, Unreachable),
        ("OOM command not allowed", Outcome::Unhealthy, Unreachable),
        ("MISCONF Redis is configured to save RDB snapshots", Outcome::Unhealthy, Unreachable),
        ("NOREPLICAS Not enough good replicas to write.", Outcome::Unhealthy, Unreachable),
        ("READONLY You can't write against a read only replica.", Outcome::NotPrimary, Unreachable),
        ("UNBLOCKED force unblock from blocking", Outcome::NotPrimary, Unreachable),
        ("MASTERDOWN Link with MASTER is down", Outcome::NotPrimary, Unreachable),
        ("LOADING Redis is loading the dataset in memory", Outcome::NotPrimary, Unreachable),
        ("NOPERM this user has no permissions", Outcome::Refused, Permanent),
        ("NOAUTH Authentication required.", Outcome::Refused, Permanent),
        ("WRONGPASS invalid username-password pair", Outcome::Refused, Permanent),
        ("WRONGTYPE Operation against a key", Outcome::Refused, Permanent),
        ("MOVED 3999 127.0.0.1:6381", Outcome::Refused, Permanent),
        ("ASK 3999 127.0.0.1:6381", Outcome::Refused, Permanent),
        ("CROSSSLOT Keys in request don't hash to the same slot", Outcome::Refused, Permanent),
        ("EXECABORT Transaction discarded", Outcome::Refused, Permanent),
        ("DENIED Redis is running in protected mode", Outcome::Refused, Permanent),
        ("ERR anything", Outcome::Refused, Permanent),
    ];
    for (line, call, kind) in rows {
        let error = said(line);
        assert_eq!(call_error(&error), call(line.to_owned()), "{line}");
        let connect = connect(WireError::Server(error));
        assert_eq!(connect.kind, kind, "{line}: {}", connect.text);
    }
}

#[test]
fn the_code_of_a_command_in_a_script_is_found_behind_its_place_on_servers_before_7() {
    let lines = [
        "ERR Error running script (call to f_521e): @user_script:30: @user_script: 30: -READONLY \
         You can't",
        "@user_script: 74: -READONLY You can't write against a read only replica",
        "READONLY You can't write against a read only replica: -OOM",
    ];
    for line in lines {
        let error = said(line);
        assert_eq!(code(&error), "READONLY", "{line}");
        assert_eq!(call_error(&error), CommandError::NotPrimary(line.to_owned()), "{line}");
    }
    let line = "ERR Error running script (call to f_521e): @user_script:30: @user_script: 30: \
        Wrong number";
    assert_eq!(code(&said(line)), "ERR");
}

#[test]
fn a_port_that_hangs_up_may_be_that_of_something_else() {
    for (kind, is_advised) in [
        (ErrorKind::ConnectionReset, true),
        (ErrorKind::UnexpectedEof, true),
        (ErrorKind::ConnectionRefused, false),
        (ErrorKind::TimedOut, false),
    ] {
        let error = connect(WireError::Io(kind.into()));
        assert_eq!(error.kind, ConnectErrorKind::Unreachable);
        assert_eq!(
            error.text.contains("; check that a Redis server listens"),
            is_advised,
            "{kind}"
        );
    }
}

#[test]
fn a_server_without_resp3_is_named_and_a_full_one_is_tried_again() {
    let connect = |line| connect(WireError::Server(said(line)));
    let lines = [
        "ERR unknown command 'HELLO'",
        "ERR unknown command `HELLO`, with args beginning with: `3`, ",
        "NOPROTO unsupported protocol version",
        "ERR unsupported command 'hello'",
    ];
    for line in lines {
        let error = connect(line);
        assert!(error.text.contains("RESP3 (HELLO); locks need Redis 6.2"), "{}", error.text);
        assert_eq!(error.kind, ConnectErrorKind::Permanent, "{line}");
    }
    let full = connect("ERR max number of clients reached");
    assert_eq!(full.kind, ConnectErrorKind::Unreachable);
    assert!(full.text.contains("maxclients"), "{}", full.text);
}

#[test]
fn a_node_names_the_node_that_has_a_slot() {
    let redirect = |slot, address: &str| Redirect {
        slot: Slot::new(slot).expect("a slot"),
        address: address.into(),
    };
    let rows = [
        ("MOVED 3999 127.0.0.1:6381", redirect(3999, "127.0.0.1:6381")),
        ("MOVED 0 node-1.example:6381", redirect(0, "node-1.example:6381")),
        // Of a node that knows no address of the other one.
        ("MOVED 3999 :6381", redirect(3999, "asked:6381")),
        ("MOVED 3999 ?:6381", redirect(3999, "asked:6381")),
        ("MOVED 16383 ::1:6381", redirect(16_383, "::1:6381")),
    ];
    for (line, to) in rows {
        assert_eq!(node_error(&said(line), "asked"), CommandError::Moved(to.clone()), "{line}");
        let asks = line.replace("MOVED", "ASK");
        assert_eq!(node_error(&said(&asks), "asked"), CommandError::Asked(to), "{asks}");
    }
    for line in ["MOVED", "MOVED 16384 a:1", "MOVED 3999 a", "ASK 3999 a:b", "MOVED x a:1"] {
        assert!(matches!(node_error(&said(line), "asked"), CommandError::Refused(_)), "{line}");
    }
}

#[test]
fn what_only_a_node_says_is_an_error_of_one_server_as_before() {
    let unopened = "UNOPENED this connection was made to another primary";
    assert_eq!(node_error(&said(unopened), "asked"), CommandError::Unopened);
    assert_eq!(call_error(&said(unopened)), CommandError::NotPrimary(unopened.to_owned()));
    for line in ["TRYAGAIN Multiple keys", "CLUSTERDOWN Hash slot not served", "READONLY You"] {
        assert_eq!(node_error(&said(line), "asked"), call_error(&said(line)));
    }
    for line in [
        "ERR Script attempted to access a non local key in a cluster node script: 2a66, on \
         @user_script:168.",
        "ERR Error running script (call to f_2a66): @user_script:168: @user_script: 168: Lua \
         script attempted to access a non local key in a cluster node",
    ] {
        assert!(matches!(node_error(&said(line), "asked"), CommandError::TryAgain(_)), "{line}");
    }
}
