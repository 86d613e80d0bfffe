//! A process: its clock, its I/O thread, its tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use checker::{EventKind, Nanos};
use distlock_runtime::verification::{Command, ReplyTargets, SimulatedLink, Timestamp};
use distlock_runtime::{LockManager, Replicas};

use super::cluster::LiveFleet;
use super::event_queue::SimEvent;
use super::server::Handshake;
use super::{WAKE_UP, World, actor, nanos};
use crate::clock::Clock;
use crate::context::{self, TaskId};
use crate::io_thread::{Settings, has_stalled_release, start, start_in_cluster};
use crate::plan::{Plan, ProcessPlan, Task};

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A process of the world.
pub(super) struct Process {
    ttl: Duration,
    data_loss_grace: bool,
    replicas: Replicas,
    clock: Clock,
    tasks: Vec<Arc<Task>>,
    /// What runs in it from its start to its end.
    life: Option<LiveProcess>,
    dead: bool,
    /// One for each link; in a cluster one for each node, behind the link that never connects.
    pub(super) peers: Vec<Peer>,
    /// Until when no packet reaches it.
    pub(super) stuck_until: Nanos,
    paused_until: Nanos,
    /// The next scheduled turn of its I/O thread.
    next_turn_at: Option<Nanos>,
}

/// A link as the network has it.
pub(super) struct Peer {
    pub(super) link: Link,
    /// The server that it finds under the address.
    pub(super) server: usize,
    /// Failed attempts to connect since the last successful one.
    pub(super) failures: u32,
    pub(super) connected_before: bool,
}

impl Peer {
    pub(super) const fn of(server: usize) -> Self {
        Self { link: Link::None, server, failures: 0, connected_before: false }
    }
}

struct LiveProcess {
    links: Vec<SimulatedLink>,
    fleet: Option<LiveFleet>,
    /// `None` after the shutdown.
    locks: Option<LockManager>,
    running: Vec<Option<Running>>,
}

impl Drop for LiveProcess {
    fn drop(&mut self) {
        self.locks = None;
        self.running.clear();
        self.links.iter().for_each(SimulatedLink::abandon);
    }
}

/// The state of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// No connection and no attempt.
    None,
    /// An attempt to connect.
    Connecting(usize),
    /// It is connected.
    Up(usize),
}

impl Process {
    pub(super) fn new(member: &ProcessPlan) -> Self {
        let tasks = member.tasks.iter().cloned().map(Arc::new).collect();
        Self {
            ttl: member.ttl,
            data_loss_grace: member.data_loss_grace,
            replicas: member.replicas,
            clock: Clock::new(nanos(member.offset), member.ppm),
            tasks,
            life: None,
            dead: false,
            peers: vec![Peer::of(0)],
            stuck_until: 0,
            paused_until: 0,
            next_turn_at: None,
        }
    }

    /// A process that acquires every lock once, after all others are done.
    pub(super) fn liveness_probe(plan: &Plan, server: usize) -> Self {
        let tasks = vec![actor::liveness_task(plan)];
        let offset = Duration::from_secs(1);
        let ttl = plan.shortest_ttl();
        let (starts_at, ppm, data_loss_grace) = (Duration::ZERO, 0, true);
        let replicas = Replicas::None;
        let member = ProcessPlan { starts_at, ttl, data_loss_grace, replicas, ppm, offset, tasks };
        Self { peers: vec![Peer::of(server)], ..Self::new(&member) }
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    pub(super) const fn was_started(&self) -> bool {
        self.life.is_some() || self.dead
    }

    /// Whether all its tasks have ended.
    pub(super) fn is_done(&self) -> bool {
        let released = |life: &LiveProcess| life.running.iter().all(Option::is_none);
        self.dead || self.life.as_ref().is_some_and(released)
    }

    /// Whether its I/O thread has nothing to undo.
    pub(super) fn is_idle(&self) -> bool {
        self.life.as_ref().is_none_or(|life| life.links.iter().all(SimulatedLink::is_idle))
    }

    /// Its established connections.
    pub(super) fn connections(&self) -> impl Iterator<Item = usize> {
        self.peers.iter().filter_map(|peer| match peer.link {
            Link::Up(connection) => Some(connection),
            Link::Connecting(_) | Link::None => None,
        })
    }

    /// When it resumes, if it is paused.
    pub(super) fn paused_until(&self) -> Option<Nanos> {
        (context::now() < self.paused_until).then_some(self.paused_until)
    }
}

fn number(process: usize) -> u32 {
    u32::try_from(process).expect("few processes")
}

impl World<'_> {
    pub(super) fn starts_at(&mut self, process: usize) {
        let clock = self.processes[process].clock;
        context::enter(number(process), 0, clock);
        let Process { ttl, data_loss_grace, replicas, .. } = self.processes[process];
        let settings = Settings {
            inbox: process.to_string(),
            ttl,
            max_handoffs: self.plan.max_handoffs,
            data_loss_grace,
            after_failover: self.plan.after_failover,
            replicas,
        };
        let (fleet, link, locks) = if self.cluster.is_some() {
            let (fleet, link, locks) = start_in_cluster(settings);
            (Some(LiveFleet::new(fleet)), link, locks)
        } else {
            let (link, locks) = start(settings);
            (None, link, locks)
        };
        let check_interval = self.plan.shortest_ttl() / 4;
        let this = &mut self.processes[process];
        let run = |task: &Arc<Task>| -> Option<Running> {
            Some(Box::pin(actor::run(Arc::clone(task), locks.clone(), check_interval)))
        };
        let running: Vec<_> = this.tasks.iter().map(run).collect();
        for task in 0..running.len() {
            let id = (number(process), number(task));
            self.event_queue.put(context::now(), SimEvent::Poll(id));
        }
        let first =
            if fleet.is_some() { SimEvent::Look(process) } else { SimEvent::Connect(process, 0) };
        this.life = Some(LiveProcess { links: vec![link], fleet, locks: Some(locks), running });
        self.event_queue.put(context::now(), first);
    }

    /// Adds a task to a running process that acquires every lock once.
    pub(super) fn probe_again(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        let Some(locks) = life.locks.clone() else { return };
        let check_interval = self.plan.shortest_ttl() / 4;
        let task = number(life.running.len());
        life.running.push(Some(Box::pin(actor::run(
            Arc::new(actor::liveness_task(self.plan)),
            locks,
            check_interval,
        ))));
        self.event_queue.put(context::now(), SimEvent::Poll((number(process), task)));
    }

    /// A process finds out which nodes have which slots, and opens links to new ones.
    pub(super) fn look(&mut self, process: usize) {
        if let Some(at) = self.processes[process].paused_until() {
            return self.event_queue.put(at, SimEvent::Look(process));
        }
        let Some(cluster) = &self.cluster else { return };
        // The node that is asked may not have heard of the latest change.
        let is_late = self.chance.u32(..4) == 0;
        let this = &mut self.processes[process];
        context::enter(number(process), 0, this.clock);
        let Some(LiveProcess { links, fleet: Some(fleet), locks, .. }) = &mut this.life else {
            return;
        };
        let (new, is_settled) = fleet.found(&cluster.owners(is_late));
        for (server, link) in new {
            let place = links.len();
            links.push(link);
            this.peers.push(Peer::of(server));
            self.event_queue.put(context::now(), SimEvent::Connect(process, place));
        }
        if locks.is_some() {
            let rest = fleet.rest(is_settled, self.chance.u8(..));
            fleet.looks_at = context::now() + nanos(rest);
            self.event_queue.put(fleet.looks_at, SimEvent::Look(process));
        }
        self.turn(process);
    }

    /// Something that was heard makes it necessary.
    fn schedule_look(&mut self, process: usize) {
        let at = context::now() + self.travel() + self.travel();
        let Some(LiveProcess { fleet: Some(fleet), .. }) = &mut self.processes[process].life else {
            return;
        };
        if fleet.has_to_look() && at < fleet.looks_at {
            fleet.looks_at = at;
            self.event_queue.put(at, SimEvent::Look(process));
        }
    }

    /// A turn of the I/O thread.
    pub(super) fn turn(&mut self, process: usize) {
        let this = &mut self.processes[process];
        if let Some(at) = this.paused_until() {
            return self.event_queue.put(at, SimEvent::Turn(process));
        }
        let Some(life) = &mut this.life else { return };
        if this.next_turn_at.is_some_and(|at| at <= context::now()) {
            this.next_turn_at = None;
        }
        context::enter(number(process), 0, this.clock);
        let stalled: Vec<_> = life.links.iter().map(SimulatedLink::turn).collect();
        for (place, stalled) in stalled.into_iter().enumerate() {
            if stalled {
                self.give_up_connection(process, place, "no reply came");
            }
            while let Some((connection, (reply_targets, calls))) = self.next_batch(process, place) {
                self.send(connection, reply_targets, calls);
            }
            self.check_releases(process, place);
        }
        self.schedule_look(process);
        self.schedule_turn(process);
    }

    fn next_batch(
        &self,
        process: usize,
        place: usize,
    ) -> Option<(usize, (ReplyTargets, Vec<Command>))> {
        let this = &self.processes[process];
        let Link::Up(connection) = this.peers[place].link else { return None };
        Some((connection, this.life.as_ref()?.links[place].take_batch()?))
    }

    /// A connected process without outstanding replies has sent its releases, or retries soon.
    fn check_releases(&mut self, process: usize, place: usize) {
        let this = &self.processes[process];
        let Link::Up(connection) = this.peers[place].link else { return };
        let Some(life) = &this.life else { return };
        if self.connections[connection].unanswered() == 0 {
            self.stalled_release |= has_stalled_release(&life.links[place], context::local_now());
        }
    }

    /// Schedules a turn of the I/O thread if it has something to do.
    fn schedule_turn(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &this.life else { return };
        let has_unsent = life.links.iter().any(SimulatedLink::has_unsent);
        let mail = has_unsent.then(|| context::now() + self.chance.u64(..WAKE_UP));
        let due = life.links.iter().filter_map(SimulatedLink::due).min();
        let due = due.map(|due| this.clock.when(due.as_nanos()).max(context::now() + 1));
        let Some(at) = mail.into_iter().chain(due).min() else { return };
        if this.next_turn_at.is_none_or(|planned| at < planned) {
            this.next_turn_at = Some(at);
            self.event_queue.put(at, SimEvent::Turn(process));
        }
    }

    pub(super) fn poll(&mut self, task: TaskId) {
        let process = task.0 as usize;
        let this = &mut self.processes[process];
        if let Some(at) = this.paused_until() {
            let at = at + self.chance.u64(..WAKE_UP);
            return self.event_queue.put(at, SimEvent::Poll(task));
        }
        let Some(life) = &mut this.life else { return };
        let Some(slot) = life.running.get_mut(task.1 as usize) else { return };
        let Some(running) = slot else { return };
        context::enter(task.0, task.1, this.clock);
        let waker = context::waker(task);
        if running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *slot = None;
        }
        self.schedule_turn(process);
    }

    pub(super) fn pause(&mut self, process: usize, span: Duration) {
        let this = &mut self.processes[process];
        if this.life.is_none() {
            return;
        }
        let until = context::now() + nanos(span);
        if this.paused_until().is_none() {
            context::record_for(number(process), EventKind::Paused(true));
        }
        this.paused_until = this.paused_until.max(until);
        self.event_queue.put(until, SimEvent::Resumed(process));
    }

    pub(super) fn resumed(&mut self, process: usize) {
        let this = &self.processes[process];
        if this.life.is_some() && this.paused_until().is_none() {
            context::record_for(number(process), EventKind::Paused(false));
        }
    }

    pub(super) fn crash(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = this.life.take() else { return };
        this.dead = true;
        context::enter(number(process), 0, this.clock);
        context::record_for(number(process), EventKind::Crashed);
        context::without_recording(|| drop(life));
        for place in 0..self.processes[process].peers.len() {
            self.leave_connection(process, place);
        }
    }

    /// Ends the process in an orderly way.
    pub(super) fn close(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        context::enter(number(process), 0, this.clock);
        life.running.clear();
        life.locks = None;
        self.schedule_turn(process);
    }

    /// Runs code on the I/O thread of a running process.
    pub(super) fn with_io_thread(
        &mut self,
        process: usize,
        place: usize,
        act: impl FnOnce(&SimulatedLink, Timestamp),
    ) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        context::enter(number(process), 0, this.clock);
        act(&life.links[place], context::local_now());
    }

    /// The handshake of one of its links, unless it has ended.
    pub(super) fn handshake(&self, process: usize, place: usize) -> Option<Handshake> {
        let this = &self.processes[process];
        let link = this.life.as_ref()?.links.get(place).filter(|link| link.is_open())?;
        let (min_fence, bound, grace) = link.handshake();
        let connected_before = this.peers[place].connected_before;
        Some(Handshake { min_fence, bound, grace, connected_before })
    }

    /// The longest lease of all processes, as far as it knows.
    pub(super) fn bound(&self, process: usize) -> Duration {
        let places = 0..self.processes[process].peers.len();
        let mut open = places.filter_map(|place| self.handshake(process, place));
        open.next().map_or(Duration::ZERO, |handshake| handshake.bound)
    }
}
