//! Connections that are made, broken and given up.

use std::time::Duration;

use distlock_runtime::verification::pause;

use super::agenda::Happening;
use super::process::Link;
use super::traffic::Connection;
use super::{World, nanos};
use crate::node::{Askers, Node};
use crate::stage;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(2);

impl World<'_> {
    /// A process begins an attempt.
    pub(super) fn connect(&mut self, process: usize) {
        if let Some(at) = self.processes[process].paused_until() {
            return self.agenda.put(at, Happening::Connect(process));
        }
        let Some(greeting) = self.greeting(process) else { return };
        let connection = self.connections.len();
        let stuck_until = self.processes[process].stuck_until;
        self.connections.push(Connection::new(process, stuck_until, greeting));
        self.processes[process].link = Link::Connecting(connection);
        let at = self.arrival_up(connection);
        self.agenda.put(at, Happening::Hello(connection));
        let limit = stage::now() + nanos(CONNECT);
        self.agenda.put(limit, Happening::ConnectFailed(process, connection));
    }

    /// An attempt arrives at the server.
    pub(super) fn hello(&mut self, connection: usize) {
        let process = self.connections[connection].process;
        if self.server.down || self.server.is_unable(stage::now()) {
            let at = self.arrival_down(connection);
            return self.agenda.put(at, Happening::ConnectFailed(process, connection));
        }
        if stage::now() < self.server.away_until {
            let at = self.server.away_until;
            return self.agenda.put(at, Happening::Hello(connection));
        }
        self.connections[connection].open_at_server = true;
        let greeting = self.connections[connection].greeting;
        let bound = self.publishing(|server, publish| server.open(stage::now(), greeting, publish));
        let at = self.arrival_down(connection);
        self.agenda.put(at, Happening::Welcome(connection, bound));
    }

    pub(super) fn welcome(&mut self, connection: usize, bound: Duration) {
        if let Some(at) = self.held_up(connection) {
            return self.agenda.put(at, Happening::Welcome(connection, bound));
        }
        let process = self.connections[connection].process;
        let this = &mut self.processes[process];
        if this.link != Link::Connecting(connection) || self.connections[connection].cut {
            return;
        }
        this.link = Link::Up(connection);
        this.failures = 0;
        this.connected_before = true;
        self.with_node(process, |node, now| node.connected(now, bound));
        self.turn(process);
    }

    pub(super) fn connect_failed(&mut self, process: usize, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.agenda.put(at, Happening::ConnectFailed(process, connection));
        }
        if self.processes[process].link != Link::Connecting(connection) {
            return;
        }
        self.leave_connection(process);
        self.processes[process].failures += 1;
        self.with_node(process, Node::connect_failed);
        let rest = pause(self.processes[process].failures - 1, self.chance.u8(..));
        self.agenda.put(stage::now() + nanos(rest), Happening::Connect(process));
        self.turn(process);
    }

    /// The client finds that its connection is gone.
    pub(super) fn client_notices(&mut self, connection: usize) {
        if let Some(at) = self.held_up(connection) {
            return self.agenda.put(at, Happening::ClientNotices(connection));
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

    /// The client leaves its connection and makes another.
    pub(super) fn give_up_connection(&mut self, process: usize, because: &str) {
        let unanswered = self.leave_connection(process);
        self.with_node(process, |node, now| node.disconnected(now, because, unanswered));
        self.agenda.put(stage::now(), Happening::Connect(process));
    }

    /// The client closes its end: what it has sent still arrives, and then the server notices.
    pub(super) fn leave_connection(&mut self, process: usize) -> Vec<Askers> {
        let this = &mut self.processes[process];
        let (Link::Up(connection) | Link::Connecting(connection)) = this.link else {
            return Vec::new();
        };
        this.link = Link::None;
        let travel = self.travel();
        let link = &mut self.connections[connection];
        let unanswered = link.leave();
        let at = link.silent_at().max(stage::now() + travel);
        self.agenda.put(at, Happening::ServerNotices(connection));
        unanswered
    }
}
