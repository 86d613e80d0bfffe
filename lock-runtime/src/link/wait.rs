//! Waiting for an answer of a link, by a blocked thread or a task, which reads the socket itself
//! when that is its role.
//!
//! [`drive`] wraps a future that waits for a link. Polled by a task it reads through the reactor of
//! the task's own runtime. Polled by [`block_on`] it leaves the reading to that function, which
//! waits for the socket instead of parking the thread.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};
use std::time::Duration;
use std::{io, mem};

use tokio::task::unconstrained;

use crate::backend::socket::{Interest, Signal, Stream, wait};
use crate::link::role::{PATIENCE, PartyId, PartyKind};
use crate::link::{Link, WaitPlan};
use crate::types::environment::atomic::{AtomicU8, Ordering};
use crate::types::environment::thread::{self, Thread};
use crate::types::environment::thread_local;
use crate::types::time::{self, Timestamp};
use crate::user_code;

/// How often a parked thread looks whether a task that reads has stalled. After that the keeper
/// does.
const LOOKS: u32 = 3;

/// The clock of a model stands still while its threads run.
const MAX_YIELDS: u32 = if cfg!(distlock_verification) { 2 } else { u32::MAX };

/// Suspends its thread, in `poll` or parked, until it is woken.
struct Parker {
    thread: Thread,
    state: AtomicU8,
    /// Made when the thread waits for a socket for the first time.
    signal: OnceLock<Signal>,
}

const RUNNING: u8 = 0;
const PARKED: u8 = 1;
/// Waits for a socket and for its signal.
const POLLING: u8 = 2;
const NOTIFIED: u8 = 3;

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => self.thread.unpark(),
            POLLING => self.signal.get().into_iter().for_each(Signal::notify),
            _ => {}
        }
    }
}

impl Parker {
    /// Whether the thread may be suspended: nobody has woken it since it last ran.
    fn begin(&self, state: u8) -> bool {
        let begun =
            self.state.compare_exchange(RUNNING, state, Ordering::AcqRel, Ordering::Acquire);
        if begun.is_err() {
            self.state.store(RUNNING, Ordering::Release);
        }
        begun.is_ok()
    }

    /// Whether the thread was woken.
    fn end(&self) -> bool {
        self.state.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// Stays awake for this long, unless it is woken.
    fn spin(&self, time: Duration) {
        let until = time::now().plus(time);
        for _ in 0..MAX_YIELDS {
            if self.state.load(Ordering::Acquire) == NOTIFIED || time::now() >= until {
                return;
            }
            thread::yield_now();
        }
    }

    fn park(&self, limit: Option<Timestamp>) {
        if !self.begin(PARKED) {
            return;
        }
        while self.state.load(Ordering::Acquire) != NOTIFIED {
            match limit {
                None => thread::park(),
                Some(limit) => {
                    let left = limit.since(time::now());
                    if left.is_zero() {
                        break;
                    }
                    park_timeout(left);
                }
            }
        }
        self.end();
    }

    fn signal(&self) -> Option<&Signal> {
        if self.signal.get().is_none() {
            let signal = Signal::new().ok()?;
            return Some(self.signal.get_or_init(|| signal));
        }
        self.signal.get()
    }

    /// Waits for the socket. Returns whether it is ready or the time is over.
    fn poll(&self, stream: &Stream, interest: Interest, until: Option<Timestamp>) -> bool {
        let Some(signal) = self.signal() else {
            // No descriptor is left.
            self.park(Some(time::now().plus(PATIENCE)));
            return true;
        };
        if !self.begin(POLLING) {
            return false;
        }
        let woken = wait(Some((stream, interest)), signal, until);
        let notified = self.end();
        woken.by_socket || !notified
    }
}

#[cfg(not(all(distlock_verification, any(feature = "__shuttle", feature = "__loom"))))]
use thread::park_timeout;

/// Shuttle has no time of its own.
#[cfg(all(distlock_verification, feature = "__shuttle"))]
fn park_timeout(limit: std::time::Duration) {
    use crate::types::environment::wake_at;

    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    wake_at(time::now().plus(limit), Waker::from(Arc::new(Unpark(thread::current()))));
    thread::park();
}

/// Loom has no time.
#[cfg(all(distlock_verification, feature = "__loom"))]
fn park_timeout(_: std::time::Duration) {
    thread::park();
}

type ReadsFor = RefCell<Option<(Arc<Link>, PartyId)>>;

struct Blocking {
    parker: Arc<Parker>,
    waker: Waker,
}

impl Blocking {
    /// Not inlined, so that all these wakers have one vtable. [`waker_kind`] identifies them by it.
    #[inline(never)]
    fn of_this_thread() -> Self {
        let (state, signal) = (AtomicU8::new(RUNNING), OnceLock::new());
        let parker = Arc::new(Parker { thread: thread::current(), state, signal });
        Self { waker: Waker::from(Arc::clone(&parker)), parker }
    }
}

thread_local! {
    static BLOCKING: Blocking = Blocking::of_this_thread();
    /// For whom this thread reads, if the future that blocks it has said so.
    static READS_FOR: ReadsFor = const { RefCell::new(None) };
}

/// The vtable of the wakers of blocked threads.
fn waker_kind() -> &'static RawWakerVTable {
    static KIND: OnceLock<&'static RawWakerVTable> = OnceLock::new();
    KIND.get_or_init(|| Blocking::of_this_thread().waker.vtable())
}

/// The vtables of wakers that never block: those of [`block_on`], and those of tokio's tasks and
/// its `block_on`.
pub(crate) fn register_harmless_wakers() {
    user_code::register_harmless(|| {
        let kind = || poll_fn(|context: &mut Context<'_>| Poll::Ready(context.waker().vtable()));
        let mut kinds = vec![waker_kind()];
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            kinds.extend(runtime.block_on(async { tokio::spawn(kind()).await.ok() }));
            kinds.extend([runtime.block_on(kind()), runtime.handle().block_on(kind())]);
        }
        kinds
    });
}

/// Runs a future to completion and blocks this thread meanwhile. Unlike `block_on` of a runtime it
/// works on any thread. On a worker of a runtime it blocks that worker.
///
/// The future is polled outside of tokio's cooperative budget. With the budget used up, tokio's
/// channels return `Pending` and leave the wake-up to a scheduler, which cannot run while this
/// thread is blocked.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_with_spin(future, Duration::ZERO)
}

/// The same, but stays awake for this long before each sleep, unless the sleep waits for the
/// socket. Not longer: the thread may be wrong about how soon it is woken.
pub fn block_on_with_spin<F: Future>(future: F, spin: Duration) -> F::Output {
    let mut future = pin!(unconstrained(future));
    let own = BLOCKING
        .try_with(|own| Blocking { parker: Arc::clone(&own.parker), waker: own.waker.clone() });
    let Blocking { parker, waker } = own.unwrap_or_else(|_| Blocking::of_this_thread());
    let mut context = Context::from_waker(&waker);
    let mut looks = 0;
    loop {
        // A wake-up of an earlier wait says nothing about this one.
        parker.state.store(RUNNING, Ordering::Release);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            // A `block_on` around this one has to look again: its wake-ups came to the same parker.
            parker.state.store(NOTIFIED, Ordering::Release);
            return output;
        }
        let reads_for = READS_FOR.try_with(|reads_for| reads_for.borrow_mut().take());
        let Some((link, party)) = reads_for.ok().flatten() else {
            parker.spin(spin);
            parker.park(None);
            continue;
        };
        match link.plan(party, PartyKind::Thread, waker.clone(), false) {
            WaitPlan::Read { stream, interest, until } => {
                if parker.poll(&stream, interest, until) {
                    // The socket stays readable while something is left.
                    link.pass();
                }
            }
            WaitPlan::Yield => thread::yield_now(),
            WaitPlan::Park { look_again } if look_again && looks < LOOKS => {
                looks += 1;
                parker.park(Some(time::now().plus(PATIENCE)));
            }
            WaitPlan::Park { .. } => parker.park(None),
        }
    }
}

/// Waits for a future that the link makes ready. In a fork it ends at once with `None`: the thread
/// that would end the wait may not exist there.
pub(crate) async fn drive<F: Future>(link: &Arc<Link>, future: F) -> Option<F::Output> {
    let (mut future, mut driver) = (pin!(future), Driver::default());
    poll_fn(|context| driver.poll(link, context, |context| future.as_mut().poll(context))).await
}

/// The state of [`drive`], for a future that is written by hand.
#[derive(Default)]
pub(crate) struct Driver {
    /// `None` before it is pending.
    party: Option<Party>,
}

impl Driver {
    /// Polls a future that `poll` polls.
    pub(crate) fn poll<T>(
        &mut self,
        link: &Arc<Link>,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        let mut others_are_done = false;
        // In a cluster the slot of the key may have moved to another link.
        drop(self.party.take_if(|party| !Arc::ptr_eq(&party.link, link)));
        loop {
            if let Poll::Ready(output) = poll(context) {
                // The role goes to another party before this one runs on.
                self.party = None;
                return Poll::Ready(Some(output));
            }
            if link.is_forked() {
                return Poll::Ready(None);
            }
            if self.party.is_none() {
                self.party = Party::join(link, context);
            }
            let Some(party) = &mut self.party else {
                if others_are_done {
                    return Poll::Pending;
                }
                // The server in memory has answered, but another thread may pass the answer on.
                link.wait_for_effects();
                others_are_done = true;
                continue;
            };
            if party.poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// One that waits for the link.
struct Party {
    link: Arc<Link>,
    id: PartyId,
    kind: PartyKind,
    registration: Option<Box<Registration>>,
    /// The task does not run in a runtime that can wait for sockets.
    cannot_read: bool,
    yielded: bool,
}

impl Drop for Party {
    fn drop(&mut self) {
        if self.link.is_forked() {
            // The reactor is shared with the parent, whose registration this would end.
            mem::forget(self.registration.take());
            return;
        }
        if self.kind == PartyKind::Thread {
            let _ = READS_FOR.try_with(|reads_for| {
                reads_for
                    .borrow_mut()
                    .take_if(|(link, id)| *id == self.id && Arc::ptr_eq(link, &self.link))
            });
        }
        self.unregister();
        self.link.leave(self.id, self.kind);
    }
}

impl Party {
    fn join(link: &Arc<Link>, context: &Context<'_>) -> Option<Self> {
        let is_blocked = std::ptr::eq(context.waker().vtable(), waker_kind());
        let kind = if is_blocked { PartyKind::Thread } else { PartyKind::Task };
        let id = link.join(kind)?;
        let link = Arc::clone(link);
        Some(Self { link, id, kind, registration: None, cannot_read: false, yielded: false })
    }

    /// Reads if that is its role. Ready after a pass.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.kind == PartyKind::Thread {
            let own = Some((Arc::clone(&self.link), self.id));
            let other = READS_FOR.try_with(|reads_for| reads_for.replace(own)).ok().flatten();
            // One future may wait for several things. The thread reads for the last of them, and
            // must not keep the role that it has for another.
            if let Some((link, party)) = other
                && (party != self.id || !Arc::ptr_eq(&link, &self.link))
            {
                link.cannot_read(party, PartyKind::Thread);
            }
            return Poll::Pending;
        }
        if self.cannot_read {
            return Poll::Pending;
        }
        let waker = user_code::guarded_waker(context.waker());
        match self.link.plan(self.id, self.kind, waker, !self.yielded) {
            WaitPlan::Read { stream, until, .. } => {
                self.yielded = false;
                let registration = self.registration(&stream);
                match registration.map(|registration| registration.poll_readable(context)) {
                    Some(Poll::Ready(Ok(()))) => {
                        if self.link.pass() {
                            // Readiness was used up. A new registration finds what is left, after
                            // other tasks have run.
                            self.unregister();
                        }
                        Poll::Ready(())
                    }
                    Some(Poll::Pending) => {
                        // A batch has to be sent soon.
                        if until.is_some() {
                            context.waker().wake_by_ref();
                        }
                        Poll::Pending
                    }
                    // Its runtime cannot wait for sockets, or is shutting down.
                    None | Some(Poll::Ready(Err(_))) => {
                        self.unregister();
                        self.cannot_read = true;
                        self.link.cannot_read(self.id, self.kind);
                        Poll::Pending
                    }
                }
            }
            WaitPlan::Yield => {
                self.yielded = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            WaitPlan::Park { .. } => {
                self.unregister();
                Poll::Pending
            }
        }
    }

    /// The registration with this socket in the runtime that polls.
    fn registration(&mut self, stream: &Arc<Stream>) -> Option<&Registration> {
        let is_current = self.registration.as_ref().is_some_and(|known| known.is_for(stream));
        if !is_current {
            self.unregister();
            let spare = self.link.spare();
            self.registration = Some(Box::new(Registration::new(stream, spare)?));
        }
        self.registration.as_deref()
    }

    fn unregister(&mut self) {
        if let Some(registration) = self.registration.take()
            && let Some(spare) = registration.end()
        {
            self.link.keep_spare(spare);
        }
    }
}

/// A socket in the reactor of a tokio runtime: another descriptor of it, so that several runtimes
/// can wait for one socket.
struct Registration {
    of: Arc<Stream>,
    socket: TokioStream,
}

enum TokioStream {
    Tcp(tokio::net::TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    #[cfg(all(distlock_verification, feature = "__shuttle"))]
    Modelled(crate::backend::readiness::Watch),
}

impl Registration {
    /// `None` outside of a tokio runtime, and in one that cannot wait for sockets.
    fn new(stream: &Arc<Stream>, spare: Option<Stream>) -> Option<Self> {
        #[cfg(all(distlock_verification, feature = "__shuttle"))]
        if let Stream::Modelled(socket) = &**stream {
            let socket = TokioStream::Modelled(socket.watch());
            let registration = Self { of: Arc::clone(stream), socket };
            return crate::types::environment::has_reactor().then_some(registration);
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let socket = match spare {
            Some(spare) => spare,
            None => stream.try_clone().ok()?,
        };
        let socket = register(&runtime, socket)?;
        Some(Self { of: Arc::clone(stream), socket })
    }

    fn is_for(&self, stream: &Arc<Stream>) -> bool {
        Arc::ptr_eq(&self.of, stream)
    }

    /// An error if the runtime is shutting down.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Readiness counts once.
        let consumed = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        match &self.socket {
            TokioStream::Tcp(tcp) => tcp.poll_read_ready(context).map_ok(|()| {
                let _ = tcp.try_io(tokio::io::Interest::READABLE, consumed);
            }),
            #[cfg(unix)]
            TokioStream::Unix(unix) => unix.poll_read_ready(context).map_ok(|()| {
                let _ = unix.try_io(tokio::io::Interest::READABLE, consumed);
            }),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            TokioStream::Modelled(socket) => {
                if socket.is_ready(context) {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                }
            }
        }
    }

    /// Leaves the reactor.
    fn end(self) -> Option<Stream> {
        match self.socket {
            TokioStream::Tcp(tcp) => tcp.into_std().ok().map(Stream::Tcp),
            #[cfg(unix)]
            TokioStream::Unix(unix) => unix.into_std().ok().map(Stream::Unix),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            TokioStream::Modelled(socket) => Some(Stream::Modelled(socket.end())),
        }
    }
}

/// Runtimes whose I/O driver is off, by their ids. There is no other way to learn that than to try,
/// and tokio panics then.
static WITHOUT_IO: std::sync::Mutex<Vec<tokio::runtime::Id>> = std::sync::Mutex::new(Vec::new());

fn register(runtime: &tokio::runtime::Handle, socket: Stream) -> Option<TokioStream> {
    if cfg!(panic = "abort") {
        return None;
    }
    let without_io = || WITHOUT_IO.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if without_io().contains(&runtime.id()) {
        return None;
    }
    let registered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match socket {
        Stream::Tcp(tcp) => tokio::net::TcpStream::from_std(tcp).map(TokioStream::Tcp),
        #[cfg(unix)]
        Stream::Unix(unix) => tokio::net::UnixStream::from_std(unix).map(TokioStream::Unix),
        #[cfg(all(distlock_verification, feature = "__shuttle"))]
        Stream::Modelled(_) => unreachable!("registered by the model"),
    }));
    if let Ok(registered) = registered {
        return registered.ok();
    }
    without_io().push(runtime.id());
    None
}
