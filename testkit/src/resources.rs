//! The resources of a process, as the kernel reports them.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Threads and open files of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads, the first one included.
    pub threads: usize,
    /// Open file descriptors, sockets included.
    pub fds: usize,
    /// Those that are sockets.
    pub sockets: usize,
}

impl Resources {
    /// Reads them from `/proc`. For its own process the count includes the descriptor that lists
    /// the others.
    pub fn of(pid: u32) -> io::Result<Self> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let threads = fs::read_dir(process.join("task"))?.count();
        let targets = descriptors(process.join("fd"))?;
        let sockets = targets.iter().filter(|target| target.starts_with("socket:"));
        Ok(Self { threads, fds: targets.len(), sockets: sockets.count() })
    }
}

/// The targets of the descriptors. One that is closed meanwhile does not count.
fn descriptors(dir: PathBuf) -> io::Result<Vec<String>> {
    let links = fs::read_dir(dir)?.filter_map(Result::ok);
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    Ok(targets.map(|target| target.to_string_lossy().into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::process;
    use std::time::Duration;

    use super::*;
    use crate::{RedisServer, eventually};

    #[test]
    fn a_connection_is_a_socket_of_the_server() {
        let server = RedisServer::start().unwrap();
        let sockets = |count| {
            eventually(Duration::from_secs(10), "the server has this many sockets", || {
                Resources::of(server.pid()).unwrap().sockets == count
            });
        };
        // The one it listens on.
        sockets(1);
        let connection = server.connection();
        sockets(2);
        drop(connection);
        sockets(1);
    }

    #[test]
    fn this_process_has_threads_and_files() {
        let own = Resources::of(process::id()).unwrap();
        assert!(own.threads >= 1 && own.fds > own.sockets, "{own:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert_eq!(Resources::of(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
