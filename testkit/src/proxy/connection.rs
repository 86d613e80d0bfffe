//! Forwards one connection of a client to the server, with a reader and a writer for each
//! direction, so that a delayed frame does not block reading the next one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::exchange::{Exchange, Verdict};
use super::faults::{Cut, Direction, Faults};
use super::frame::{Frame, Scanner};
use super::gate::{Gate, Passage};
use super::tally::Tally;

const PIECE: usize = 16 * 1024;

/// A client's socket, and the server's unless the connection was opened into a black hole.
#[derive(Debug)]
pub(crate) struct Connection {
    client: TcpStream,
    server: Option<TcpStream>,
    gate: Gate,
    exchange: Mutex<Exchange>,
    client_gone: AtomicBool,
    faults: Arc<Faults>,
    tally: Arc<Tally>,
}

/// A frame from a reader to its writer, with the time of delivery.
#[derive(Debug)]
enum Parcel {
    Bytes(Instant, Vec<u8>),
    /// The sender has closed its side.
    End(Instant),
    /// The connection is cut here.
    Close(Instant),
}

impl Connection {
    pub(crate) fn new(
        client: TcpStream,
        server: Option<TcpStream>,
        faults: Arc<Faults>,
        tally: Arc<Tally>,
    ) -> Self {
        let gate = if server.is_some() { Gate::default() } else { Gate::into_the_hole() };
        let (exchange, client_gone) = Default::default();
        Self { client, server, gate, exchange, client_gone, faults, tally }
    }

    /// Forwards bytes until both sides are closed.
    pub(crate) fn serve(&self) {
        thread::scope(|scope| {
            if let Some(server) = &self.server {
                scope.spawn(|| self.carry(server, &self.client, Direction::ToClient));
            }
            let server = self.server.as_ref().unwrap_or(&self.client);
            self.carry(&self.client, server, Direction::ToServer);
        });
        self.close();
    }

    fn carry(&self, from: &TcpStream, to: &TcpStream, direction: Direction) {
        let (sender, parcels) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| self.deliver(to, direction, parcels));
            self.read(from, direction, &sender);
            if direction == Direction::ToServer {
                self.client_gone.store(true, Ordering::SeqCst);
            }
            drop(sender);
        });
    }

    /// Closes both sides and drops data in flight.
    pub(crate) fn close(&self) {
        self.gate.close();
        for stream in [Some(&self.client), self.server.as_ref()].into_iter().flatten() {
            // Fails only if the peer has closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// A frozen connection is closed on the client's side only. Held data is delivered on thaw.
    pub(crate) fn cut(&self, cut: Cut) {
        match cut {
            Cut::Now if self.gate.frozen() => drop(self.client.shutdown(Shutdown::Both)),
            Cut::Now => self.close(),
            _ => self.exchange().arm(cut),
        }
    }

    pub(crate) fn cut_at(&self, cut: Cut, text: &str) {
        self.exchange().arm_at(cut, text);
    }

    pub(crate) fn disarm(&self) {
        self.exchange().disarm();
    }

    pub(crate) fn set_frozen(&self, on: bool) {
        self.gate.set_frozen(on);
    }

    /// If data was lost in the black hole, the connection cannot continue afterwards.
    pub(crate) fn set_hole(&self, on: bool) {
        if on {
            self.gate.enter_hole();
        } else if self.gate.leave_hole() == Passage::Closed {
            self.close();
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) const fn client(&self) -> &TcpStream {
        &self.client
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.client_gone.load(Ordering::SeqCst)
    }

    fn read(&self, mut from: &TcpStream, direction: Direction, to: &Sender<Parcel>) {
        let mut scanner = match direction {
            Direction::ToServer => Scanner::of_requests(),
            Direction::ToClient => Scanner::of_replies(),
        };
        let mut piece = vec![0; PIECE];
        while let Ok(size @ 1..) = from.read(&mut piece) {
            scanner.feed(&piece[..size]);
            if self.hand_on(&mut scanner, direction, to).is_none() {
                return;
            }
        }
        self.hand_on_the_end(scanner, direction, to);
    }

    /// Forwards complete frames; `None` if the connection ends.
    fn hand_on(
        &self,
        scanner: &mut Scanner,
        direction: Direction,
        to: &Sender<Parcel>,
    ) -> Option<()> {
        let due = self.due(direction);
        while let Some(frame) = scanner.frame() {
            self.judge(direction, frame, due, to)?;
        }
        Some(())
    }

    fn hand_on_the_end(&self, mut scanner: Scanner, direction: Direction, to: &Sender<Parcel>) {
        let due = self.due(direction);
        let rest = scanner.rest().map(|rest| Parcel::Bytes(due, rest.bytes));
        for parcel in rest.into_iter().chain([Parcel::End(due)]) {
            // The writer may have ended, if the connection is closed.
            let _ = to.send(parcel);
        }
    }

    fn due(&self, direction: Direction) -> Instant {
        Instant::now() + self.faults.delay(direction)
    }

    /// Forwards the frame, or a part of it; `None` if the connection ends here.
    fn judge(
        &self,
        direction: Direction,
        mut frame: Frame,
        due: Instant,
        to: &Sender<Parcel>,
    ) -> Option<()> {
        match self.verdict(direction, &frame) {
            Verdict::Pass => to.send(Parcel::Bytes(due, frame.bytes)).ok(),
            Verdict::Drop => Some(()),
            Verdict::CloseAfter(size) => {
                frame.bytes.truncate(size);
                to.send(Parcel::Bytes(due, frame.bytes)).ok()?;
                to.send(Parcel::Close(due)).ok()?;
                None
            }
        }
    }

    fn verdict(&self, direction: Direction, frame: &Frame) -> Verdict {
        match direction {
            Direction::ToServer => {
                self.tally.count(frame);
                self.exchange().request(frame)
            }
            Direction::ToClient => self.exchange().reply(frame, self.faults.drop_pushes()),
        }
    }

    fn deliver(&self, mut to: &TcpStream, direction: Direction, parcels: Receiver<Parcel>) {
        for parcel in parcels {
            let passage = match parcel {
                Parcel::Bytes(due, _) => self.gate.pass(due),
                Parcel::End(due) | Parcel::Close(due) => self.gate.pass_end(due),
            };
            match (passage, parcel) {
                (Passage::Closed, _) => return,
                (Passage::Swallowed, _) => {}
                // A closed receiver is detected on its own side; the rest is discarded.
                (Passage::Free, Parcel::Bytes(_, bytes)) => drop(to.write_all(&bytes)),
                (Passage::Free, Parcel::End(_)) if direction == Direction::ToServer => {
                    drop(to.shutdown(Shutdown::Write));
                }
                (Passage::Free, _) => self.close(),
            }
        }
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
