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
    pub(super) fn connect(&mut self, process: usize) {
        if let Some(at) = self.processes[process].paused_until() {
            return self.event_queue.put(at, SimEvent::Connect(process));
        }
        let Some(handshake) = self.handshake(process) else { return };
        let connection = self.connections.len();
        let stuck_until = self.processes[process].stuck_until;
        let server = self.processes[process].server;
        self.connections.push(Connection::new((process, server), stuck_until, handshake));
        self.processes[process].link = Link::Connecting(connection);
        let at = self.arrival_up(connection);
        self.event_queue.put(at, SimEvent::ConnectRequest(connection));
        let limit = context::now() + nanos(CONNECT);
        self.event_queue.put(limit, SimEvent::ConnectFailed(process, connection));
    }

    /// An attempt arrives at the server.
    pub(super) fn connect_request(&mut self, connection: usize) {
        let Connection { process, server: number, handshake, .. } = self.connections[connection];
        let server = &self.servers[number];
        if server.down || server.is_unable(context::now()) {
            let at = self.arrival_down(connection);
            return self.event_queue.put(at, SimEvent::ConnectFailed(process, connection));
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
        let process = self.connections[connection].process;
        let this = &mut self.processes[process];
        if this.link != Link::Connecting(connection) || self.connections[connection].cut {
            return;
        }
        this.link = Link::Up(connection);
        this.failures = 0;
        this.connected_before = true;
        let mark = mark(self.connections[connection].server);
        let replicas = self.plan.online_replicas();
        self.with_io_thread(process, |io_thread, _| io_thread.connected(bound, mark, replicas));
        self.turn(process);
    }

    pub(super) fn connect_failed(&mut self, process: usize, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::ConnectFailed(process, connection));
        }
        if self.processes[process].link != Link::Connecting(connection) {
            return;
        }
        self.leave_connection(process);
        self.processes[process].failures += 1;
        self.with_io_thread(process, |io_thread, _| io_thread.connect_failed());
        let rest = pause(self.processes[process].failures - 1, self.chance.u8(..));
        self.event_queue.put(context::now() + nanos(rest), SimEvent::Connect(process));
        self.turn(process);
    }

    /// The client notices that its connection is closed.
    pub(super) fn client_notices(&mut self, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::ClientNotices(connection));
        }
        let process = self.connections[connection].process;
        match self.processes[process].link {
            Link::Up(current) if current == connection => {
                self.give_up_connection(process, "the server closed the connection");
                self.turn(process);
            }
            Link::Connecting(current) if current == connection => {
                self.connect_failed(process, connection);
            }
            _ => {}
        }
    }

    pub(super) fn server_notices(&mut self, connection: usize) {
        self.connections[connection].open_at_server = false;
    }

    /// The client abandons its connection and opens another.
    pub(super) fn give_up_connection(&mut self, process: usize, because: &str) {
        let unanswered = self.leave_connection(process);
        self.with_io_thread(process, |io_thread, _| {
            io_thread.disconnected(because, unanswered);
        });
        self.event_queue.put(context::now(), SimEvent::Connect(process));
    }

    /// The client closes its end. What it has sent still arrives, then the server notices.
    pub(super) fn leave_connection(&mut self, process: usize) -> Vec<ReplyTargets> {
        let this = &mut self.processes[process];
        let (Link::Up(connection) | Link::Connecting(connection)) = this.link else {
            return Vec::new();
        };
        this.link = Link::None;
        let travel = self.travel();
        let link = &mut self.connections[connection];
        let unanswered = link.leave();
        let at = link.silent_at().max(context::now() + travel);
        self.event_queue.put(at, SimEvent::ServerNotices(connection));
        unanswered
    }
}
