//! Ways to a server: Unix sockets, and names that move to another address.

use std::path::Path;

use distlock::{LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, scripts_run};

#[distributed_lock("annotated", manager = locks)]
async fn annotated(locks: &LockManager) -> Result<u32, distlock::LockError> {
    tokio::task::yield_now().await;
    Ok(7)
}

#[test]
fn threads_and_tasks_lock_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let server = RedisServer::builder().arg("unixsocket", path.to_str().unwrap()).start().unwrap();
    let connect = || LockManager::connect(&format!("unix://{}", path.display())).unwrap();
    let (one, other) = (connect(), connect());
    let held = one.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| other.mutex("key").wait(LIMIT).acquire_blocking().unwrap());
        eventually(LIMIT, "it waits", || one.inspect_blocking("key").unwrap().waiting == 1);
        held.release_blocking().unwrap();
        next.join().unwrap().release_blocking().unwrap();
    });
    for mut builder in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let runtime = builder.enable_all().build().unwrap();
        assert_eq!(runtime.block_on(annotated(&one)).unwrap(), 7);
    }
    // The connection is lost, and made again over the socket.
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    one.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_missing_unix_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.sock");
    let locks = LockManager::connect(&format!("unix://{}", path.display())).unwrap();
    let error = locks.mutex("key").try_acquire_blocking().unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
}

/// Resolves a name as a file says; preloaded into this program.
#[cfg(target_os = "linux")]
const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    char address[64];
    if (name && strcmp(name, "locks.example") == 0) {
        FILE *file = fopen(getenv("TEST_RESOLVER"), "r");
        if (!file || fscanf(file, "%63s", address) != 1) return EAI_AGAIN;
        fclose(file);
        name = address;
    }
    return real(name, service, hints, found);
}
"#;

/// The name is looked up at each connect. The test runs again with a resolver that it controls.
#[cfg(target_os = "linux")]
#[test]
fn a_name_is_looked_up_again_for_each_connection() {
    use crate::support::process::this_binary;

    const FILE: &str = "TEST_RESOLVER";
    if let Ok(file) = std::env::var(FILE) {
        return moves_to_another_address(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let [source, library, file] =
        ["resolver.c", "resolver.so", "address"].map(|name| folder.path().join(name));
    std::fs::write(&source, RESOLVER).unwrap();
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(compiler.status().expect("there is a C compiler").success());
    let test = "behaviour::sockets::a_name_is_looked_up_again_for_each_connection";
    let mut child = this_binary();
    child.args(["--exact", test]).env("LD_PRELOAD", &library).env(FILE, &file);
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
}

#[cfg(target_os = "linux")]
fn moves_to_another_address(file: &Path) {
    let [old, new] = [(); 2].map(|()| RedisServer::start().unwrap());
    forward(("127.0.0.2", old.port()), new.port());
    let url = format!("redis://locks.example:{}/", old.port());
    // The other server knows nothing of this one's locks.
    let locks = LockManager::builder().url(url).data_loss_grace(false).build().unwrap();
    // There is no address yet.
    let error = locks.mutex("key").try_acquire_blocking().unwrap_err();
    assert!(matches!(error, distlock::LockError::Unavailable(_)), "{error:?}");
    std::fs::write(file, "127.0.0.1").unwrap();
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    assert_eq!(scripts_run(&new), 0);
    std::fs::write(file, "127.0.0.2").unwrap();
    old.kill();
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    assert!(scripts_run(&new) > 0, "it is connected to the new address");
}

/// Another address for a server.
#[cfg(target_os = "linux")]
fn forward(from: (&'static str, u16), to: u16) {
    use std::net::{Shutdown, TcpListener, TcpStream};

    let listener = TcpListener::bind(from).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let ways =
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in ways {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
}
