//! Connections: opened, broken and abandoned.

use std::time::Duration;

use distlock_runtime::verification::{ReplyTargets, pause};

use super::event_queue::SimEvent;
use super::failover::mark;
use super::network::Connection;
use super::process::Link;
use super::{World, nanos};
use crate::context;

/// The timeout of an attempt to connect.
const CONNECT: Duration = Duration::from_secs(2);

impl World<'_> {
    /// A process starts an attempt.
    pub(super) fn connect(&mut self, process: usize, place: usize) {
        if let Some(at) = self.processes[process].paused_until() {
            return self.event_queue.put(at, SimEvent::Connect(process, place));
        }
        let Some(handshake) = self.handshake(process, place) else { return };
        let connection = self.connections.len();
        let this = &mut self.processes[process];
        let stuck_until = this.stuck_until;
        let server = this.peers[place].server;
        this.peers[place].link = Link::Connecting(connection);
        self.connections.push(Connection::new((process, place, server), stuck_until, handshake));
        let at = self.arrival_up(connection);
        self.event_queue.put(at, SimEvent::ConnectRequest(connection));
        let limit = context::now() + nanos(CONNECT);
        self.event_queue.put(limit, SimEvent::ConnectFailed(connection));
    }

    /// An attempt arrives at the server.
    pub(super) fn connect_request(&mut self, connection: usize) {
        let Connection { server: number, handshake, .. } = self.connections[connection];
        let server = &self.servers[number];
        if server.down || server.is_unable(context::now()) {
            let at = self.arrival_down(connection);
            return self.event_queue.put(at, SimEvent::ConnectFailed(connection));
        }
        if context::now() < server.away_until {
            let at = server.away_until;
            return self.event_queue.put(at, SimEvent::ConnectRequest(connection));
        }
        self.connections[connection].open_at_server = true;
        let bound = self
            .publishing(number, |server, publish| server.open(context::now(), handshake, publish));
        let at = self.arrival_down(connection);
        self.event_queue.put(at, SimEvent::ConnectReply(connection, bound));
    }

    pub(super) fn connect_reply(&mut self, connection: usize, bound: Duration) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::ConnectReply(connection, bound));
        }
        let Connection { process, place, server, cut, .. } = self.connections[connection];
        let peer = &mut self.processes[process].peers[place];
        if peer.link != Link::Connecting(connection) || cut {
            return;
        }
        peer.link = Link::Up(connection);
        peer.failures = 0;
        peer.connected_before = true;
        let (mark, replicas) = (mark(server), self.plan.online_replicas());
        self.with_io_thread(process, place, |io_thread, _| {
            io_thread.connected(bound, mark, replicas);
        });
        self.turn(process);
    }

    pub(super) fn connect_failed(&mut self, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::ConnectFailed(connection));
        }
        let Connection { process, place, .. } = self.connections[connection];
        if self.processes[process].peers[place].link != Link::Connecting(connection) {
            return;
        }
        self.leave_connection(process, place);
        let peer = &mut self.processes[process].peers[place];
        peer.failures += 1;
        let rest = pause(peer.failures - 1, self.chance.u8(..));
        self.with_io_thread(process, place, |io_thread, _| io_thread.connect_failed());
        self.event_queue.put(context::now() + nanos(rest), SimEvent::Connect(process, place));
        self.turn(process);
    }

    /// The client notices that its connection is closed.
    pub(super) fn client_notices(&mut self, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::ClientNotices(connection));
        }
        let Connection { process, place, .. } = self.connections[connection];
        match self.processes[process].peers[place].link {
            Link::Up(current) if current == connection => {
                self.give_up_connection(process, place, "the server closed the connection");
                self.turn(process);
            }
            Link::Connecting(current) if current == connection => self.connect_failed(connection),
            _ => {}
        }
    }

    pub(super) fn server_notices(&mut self, connection: usize) {
        self.connections[connection].open_at_server = false;
    }

    /// The client abandons its connection and opens another.
    pub(super) fn give_up_connection(&mut self, process: usize, place: usize, because: &str) {
        let unanswered = self.leave_connection(process, place);
        self.with_io_thread(process, place, |io_thread, _| {
            io_thread.disconnected(because, unanswered);
        });
        self.event_queue.put(context::now(), SimEvent::Connect(process, place));
    }

    /// The client closes its end. What it has sent still arrives, then the server notices.
    pub(super) fn leave_connection(&mut self, process: usize, place: usize) -> Vec<ReplyTargets> {
        let peer = &mut self.processes[process].peers[place];
        let (Link::Up(connection) | Link::Connecting(connection)) = peer.link else {
            return Vec::new();
        };
        peer.link = Link::None;
        let travel = self.travel();
        let link = &mut self.connections[connection];
        let unanswered = link.leave();
        let at = link.silent_at().max(context::now() + travel);
        self.event_queue.put(at, SimEvent::ServerNotices(connection));
        unanswered
    }
}
