//! A replica becomes the primary, with the data of some time ago.

use std::time::Duration;

use checker::Nanos;

use super::event_queue::SimEvent;
use super::process::Link;
use super::{World, nanos};
use crate::context;

impl World<'_> {
    /// What the primary does from now on does not reach the replica of this fault.
    pub(super) fn copied(&mut self, fault: usize) {
        if !self.plan.migrates_on {
            self.finish_migrations(fault);
        }
        let copy = self.primary(fault).copy();
        self.primary(fault).stop_copying(context::now());
        self.copies.insert(fault, copy);
    }

    /// The replica becomes the primary. The old one goes on for `span`, in which the processes move
    /// one by one.
    pub(super) fn fail_over(&mut self, fault: usize, span: Duration) {
        let Some(mut replica) = self.copies.remove(&fault) else { return };
        if !self.plan.migrates_on {
            self.finish_migrations(fault);
        }
        let (old, new) = (self.primary_number(fault), self.servers.len());
        replica.promote(mark(new));
        // What was copied some time ago is data. Jumps of the clock are those of all servers.
        replica.set_clock_as(&self.servers[old]);
        replica.has_replica_at(context::now() + nanos(span) + REPLICA_AFTER);
        if !self.copies.is_empty() {
            // The next one to be promoted copies nothing of this one.
            replica.stop_copying(context::now());
        }
        if let Some(cluster) = &mut self.cluster {
            replica.take_over(&self.servers[old], &cluster.slots_of(fault));
            cluster.replace(fault, new);
        }
        self.servers.push(replica);
        if self.cluster.is_some() {
            return self.event_queue.put(context::now() + nanos(span), SimEvent::Demoted(old));
        }
        for process in 0..self.processes.len() {
            let at = context::now() + self.chance.u64(..=nanos(span));
            self.event_queue.put(at, SimEvent::Moved(process, new));
        }
        self.event_queue.put(context::now() + nanos(span), SimEvent::Demoted(new - 1));
    }

    /// The process connects to this server next. It hears that it has to.
    pub(super) fn moved(&mut self, process: usize, server: usize) {
        let peer = &mut self.processes[process].peers[0];
        if peer.server >= server {
            return;
        }
        peer.server = server;
        match peer.link {
            Link::Up(_) => self.cut(process, Duration::ZERO, Duration::ZERO),
            Link::Connecting(connection) => self.connect_failed(connection),
            Link::None => {}
        }
    }

    /// This server is no primary any more, and a process that has not moved yet does.
    pub(super) fn demoted(&mut self, server: usize) {
        self.servers[server].demoted = true;
        self.servers[server].down = true;
        if self.cluster.is_none() {
            for process in 0..self.processes.len() {
                self.moved(process, server + 1);
            }
        }
        self.close_all(server);
    }
}

/// How soon after its predecessor has gone a primary has a replica.
const REPLICA_AFTER: Nanos = 100_000_000;

/// The mark of a server.
pub(super) fn mark(server: usize) -> u32 {
    u32::try_from(server).expect("few servers") + 1
}
