//! Sockets and waiting for them: all that differs between operating systems.
//!
//! A socket is non-blocking and shared: one party may wait for it while another one reads or
//! writes. It is closed when the last of them has let go of it, so that nobody waits for a
//! descriptor that has become another file.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(all(distlock_verification, feature = "__shuttle")))]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(all(distlock_verification, feature = "__shuttle")),
))]
use self::signal::EventFd as Ends;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
use self::signal::SocketPair as Ends;
#[cfg(windows)]
use self::signal::UdpPair as Ends;
#[cfg(all(distlock_verification, feature = "__shuttle"))]
use crate::backend::readiness::{ModelledSignal as Ends, Readiness};
#[cfg(not(all(distlock_verification, feature = "__shuttle")))]
use crate::types::time;
use crate::types::time::Timestamp;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(all(distlock_verification, feature = "__shuttle"))]
    Modelled(Readiness),
}

impl Stream {
    /// Another descriptor of the same socket.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(tcp) => tcp.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(unix) => unix.try_clone().map(Self::Unix),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(socket) => Ok(Self::Modelled(socket.clone())),
        }
    }

    /// Ends the connection for all that read or write it.
    pub(crate) fn shut_down(&self) {
        // It fails if the other side has ended it already.
        let _ = match self {
            Self::Tcp(tcp) => tcp.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Self::Unix(unix) => unix.shutdown(Shutdown::Both),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => Ok(()),
        };
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.set_nonblocking(true),
            #[cfg(unix)]
            Self::Unix(unix) => unix.set_nonblocking(true),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => Ok(()),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => (&mut &*tcp).read(buffer),
            #[cfg(unix)]
            Stream::Unix(unix) => (&mut &*unix).read(buffer),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Stream::Modelled(_) => unreachable!("no bytes go through it"),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => (&mut &*tcp).write(bytes),
            #[cfg(unix)]
            Stream::Unix(unix) => (&mut &*unix).write(bytes),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Stream::Modelled(_) => unreachable!("no bytes go through it"),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => unreachable!("it has no descriptor"),
        }
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Stream {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        let Self::Tcp(tcp) = self;
        tcp.as_socket()
    }
}

/// Ends the wait of a thread from another thread. A signal that comes before the wait ends it at
/// once.
#[derive(Debug)]
pub(crate) struct Signal {
    ends: Ends,
    closed: AtomicBool,
}

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { ends: Ends::new()?, closed: AtomicBool::new(false) })
    }

    pub(crate) fn notify(&self) {
        // It can only fail because signals that nobody has taken fill the buffer.
        let _ = self.ends.put();
    }

    /// Notifies for good: all that wait are to give up.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.notify();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes all signals so far.
    fn take(&self) {
        let _ = self.ends.take();
    }
}

impl std::task::Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[cfg_attr(all(distlock_verification, feature = "__shuttle"), allow(dead_code))]
mod signal {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    #[derive(Debug)]
    pub(super) struct EventFd(OwnedFd);

    impl EventFd {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        pub(super) fn put(&self) -> io::Result<()> {
            rustix::io::write(&self.0, &1_u64.to_ne_bytes())?;
            Ok(())
        }

        pub(super) fn take(&self) -> io::Result<()> {
            rustix::io::read(&self.0, &mut [0_u8; 8])?;
            Ok(())
        }
    }

    impl AsFd for EventFd {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
mod signal {
    use std::io::{self, Read, Write};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::net::UnixStream;

    #[derive(Debug)]
    pub(super) struct SocketPair(UnixStream, UnixStream);

    impl SocketPair {
        pub(super) fn new() -> io::Result<Self> {
            let (sender, receiver) = UnixStream::pair()?;
            sender.set_nonblocking(true)?;
            receiver.set_nonblocking(true)?;
            Ok(Self(sender, receiver))
        }

        pub(super) fn put(&self) -> io::Result<()> {
            (&self.0).write(&[1]).map(drop)
        }

        pub(super) fn take(&self) -> io::Result<()> {
            (&self.1).read(&mut [0; 64]).map(drop)
        }
    }

    impl AsFd for SocketPair {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }
    }
}

#[cfg(windows)]
mod signal {
    use std::io;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::windows::io::{AsSocket, BorrowedSocket};

    #[derive(Debug)]
    pub(super) struct UdpPair(UdpSocket, UdpSocket);

    impl UdpPair {
        pub(super) fn new() -> io::Result<Self> {
            let bound = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
            let (sender, receiver) = (bound()?, bound()?);
            sender.connect(receiver.local_addr()?)?;
            receiver.connect(sender.local_addr()?)?;
            sender.set_nonblocking(true)?;
            receiver.set_nonblocking(true)?;
            Ok(Self(sender, receiver))
        }

        pub(super) fn put(&self) -> io::Result<()> {
            self.0.send(&[1]).map(drop)
        }

        pub(super) fn take(&self) -> io::Result<()> {
            while self.1.recv(&mut [0; 1]).is_ok() {}
            Ok(())
        }
    }

    impl AsSocket for UdpPair {
        fn as_socket(&self) -> BorrowedSocket<'_> {
            self.1.as_socket()
        }
    }
}

/// What a thread waits for besides a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Readable,
    /// Bytes are left that the socket did not take.
    ReadableOrWritable,
}

/// What has ended a wait; neither if the time was over.
#[derive(Clone, Copy)]
pub(crate) struct WaitEnd {
    /// The socket is ready or has failed.
    pub(crate) by_socket: bool,
    pub(crate) by_signal: bool,
}

/// The same under a model checker.
#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) fn wait(
    stream: Option<(&Stream, Interest)>,
    signal: &Signal,
    until: Option<Timestamp>,
) -> WaitEnd {
    let socket = stream.map(|(stream, _)| match stream {
        Stream::Modelled(socket) => socket,
        _ => unreachable!("a model has no other sockets"),
    });
    let (by_socket, by_signal) = crate::backend::readiness::wait(socket, &signal.ends, until);
    if by_signal {
        signal.take();
    }
    WaitEnd { by_socket, by_signal }
}

/// Blocks this thread until the socket is ready or has failed, a signal comes, or the time is over.
/// It may return early.
#[cfg(not(all(distlock_verification, feature = "__shuttle")))]
pub(crate) fn wait(
    stream: Option<(&Stream, Interest)>,
    signal: &Signal,
    until: Option<Timestamp>,
) -> WaitEnd {
    let timeout = until.map(|until| {
        let left = until.since(time::now());
        let tv_sec = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        Timespec { tv_sec, tv_nsec: left.subsec_nanos().into() }
    });
    let signalled = PollFd::new(&signal.ends, PollFlags::IN);
    let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    let Some((stream, interest)) = stream else {
        let mut fds = [signalled];
        // A failure, as by a signal of the operating system, ends the wait early.
        let _ = poll(&mut fds, timeout.as_ref());
        let by_signal = ready(&fds[0]);
        if by_signal {
            signal.take();
        }
        return WaitEnd { by_socket: false, by_signal };
    };
    let flags = match interest {
        Interest::Readable => PollFlags::IN,
        Interest::ReadableOrWritable => PollFlags::IN | PollFlags::OUT,
    };
    let mut fds = [PollFd::new(stream, flags), signalled];
    let _ = poll(&mut fds, timeout.as_ref());
    let (by_socket, by_signal) = (ready(&fds[0]), ready(&fds[1]));
    if by_signal {
        signal.take();
    }
    WaitEnd { by_socket, by_signal }
}
