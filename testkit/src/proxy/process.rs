//! Which process a client of a proxy is.

use std::fs;
use std::net::{SocketAddr, TcpStream};

/// Whether the other side of this connection belongs to one of these processes.
pub(crate) fn is_client(connection: &TcpStream, processes: &[u32]) -> bool {
    if processes.is_empty() {
        return false;
    }
    let (Ok(client), Ok(proxy)) = (connection.peer_addr(), connection.local_addr()) else {
        return false;
    };
    let Some(inode) = inode(client, proxy) else { return false };
    processes.iter().any(|&process| has_open(process, &format!("socket:[{inode}]")))
}

/// The socket between these addresses of 127.0.0.1, as seen from the first.
fn inode(from: SocketAddr, to: SocketAddr) -> Option<String> {
    let (from, to) = (shown(from), shown(to));
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let here = words.next()? == from && words.next()? == to;
        here.then(|| words.nth(6).map(str::to_owned))?
    })
}

fn shown(address: SocketAddr) -> String {
    format!("0100007F:{:04X}", address.port())
}

fn has_open(process: u32, link: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|is| is.as_os_str() == link))
}
