//! A simulated cluster: the queue of events, and the state that they change.

mod actor;
mod cluster;
mod connect;
mod event_queue;
mod failover;
mod faults;
mod network;
mod process;
mod released;
mod server;

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use checker::{Event, EventKind, Nanos};
use distlock_runtime::verification::FenceRange;

use self::cluster::Cluster;
use self::event_queue::{EventQueue, SimEvent};
use self::network::Connection;
use self::process::Process;
use self::server::Server;
use crate::context::{self, TaskId};
use crate::plan::{FaultKind, NetworkProfile, Plan};

/// The state of the cluster.
pub(crate) struct World<'p> {
    plan: &'p Plan,
    event_queue: EventQueue,
    chance: fastrand::Rng,
    network: NetworkProfile,
    /// The last one is the primary. Those before were, and may go on for a while.
    servers: Vec<Server>,
    /// Which server has which slots, if they are nodes of a cluster.
    cluster: Option<Cluster>,
    processes: Vec<Process>,
    connections: Vec<Connection>,
    /// What replicas have, that will be promoted by these faults.
    copies: HashMap<usize, Server>,
    /// A lock was released and no release is sent.
    stalled_release: bool,
    /// Reused buffers.
    woken: Vec<TaskId>,
    sleepers: Vec<(Nanos, TaskId)>,
}

/// The longest time from a wake-up until the I/O thread or the task runs.
const WAKE_UP: Nanos = 40_000;
/// The longest run after the last fault: far more than all sections one after the other take.
const MAX_RUN: Duration = Duration::from_secs(600);

/// The result of a plan.
pub(crate) struct RunResult {
    /// All events.
    pub(crate) events: Vec<Event>,
    /// A server that lost its data looked like a new one, because the first process to connect had
    /// never been connected before.
    pub(crate) undetected_data_loss: bool,
    /// The tokens of all grants, and whether the replica of their server has them.
    pub(crate) grants: Vec<(FenceRange, bool)>,
    /// The message of a panic in the library.
    pub(crate) panic: Option<String>,
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan) -> RunResult {
    context::clear(plan.seed, plan.keys);
    let mut world = World::new(plan);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.run_actors();
        world.check_liveness();
        world.end();
    }));
    let undetected_data_loss = world.servers.iter().any(Server::has_undetected_data_loss);
    let grants = world.servers.iter().flat_map(Server::grants).collect();
    drop(world);
    let panic = lived.err().map(|panic| text_of(&*panic));
    RunResult { events: context::take_history(), undetected_data_loss, grants, panic }
}

fn text_of(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_default()
}

pub(crate) fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl<'p> World<'p> {
    fn new(plan: &'p Plan) -> Self {
        let processes = plan.processes.iter().map(Process::new).collect();
        let mut servers = vec![Server::first(plan.server_ppm)];
        let cluster = plan.is_cluster().then(|| {
            servers = (0..plan.nodes).map(|node| Server::node(plan.server_ppm, node)).collect();
            for node in 1..plan.nodes {
                servers[node].released = Rc::clone(&servers[0].released);
            }
            Cluster::new(plan)
        });
        let mut world = Self {
            plan,
            event_queue: EventQueue::default(),
            chance: fastrand::Rng::with_seed(plan.seed ^ 0x5eed),
            network: plan.network,
            servers,
            cluster,
            processes,
            connections: Vec::new(),
            copies: HashMap::new(),
            stalled_release: false,
            woken: Vec::new(),
            sleepers: Vec::new(),
        };
        for (number, member) in plan.processes.iter().enumerate() {
            world.event_queue.put(nanos(member.starts_at), SimEvent::Start(number));
        }
        for (number, fault) in plan.faults.iter().enumerate() {
            if let FaultKind::Failover { lag, .. } = fault.what {
                let at = nanos(fault.at.saturating_sub(lag));
                world.event_queue.put(at, SimEvent::Copied(number));
            }
            world.event_queue.put(nanos(fault.at), SimEvent::Fault(number));
        }
        world
    }

    /// The primary, or the node of a cluster that this fault is about.
    fn primary(&mut self, fault: usize) -> &mut Server {
        let number = self.primary_number(fault);
        &mut self.servers[number]
    }

    fn primary_number(&self, fault: usize) -> usize {
        let last = self.servers.len() - 1;
        self.cluster.as_ref().map_or(last, |cluster| cluster.server_for(fault))
    }

    /// Those that nobody has replaced.
    fn primaries(&self) -> Vec<usize> {
        let last = self.servers.len() - 1;
        self.cluster.as_ref().map_or_else(|| vec![last], |cluster| cluster.servers().to_vec())
    }

    /// Runs until all tasks have ended or the limit is reached.
    fn run_actors(&mut self) {
        let limit = nanos(self.plan.faults_end_at() + MAX_RUN);
        let starts_at = nanos(self.plan.faults_end_at());
        self.run_until(limit, |world| {
            context::now() > starts_at && world.processes.iter().all(Process::is_done)
        });
        context::set_now(context::now().max(starts_at));
    }

    /// A new process acquires every lock in time, and so does one that has run all along.
    fn check_liveness(&mut self) {
        if !self.plan.checks_liveness {
            return;
        }
        self.network =
            NetworkProfile { slow_one_in: u32::MAX, lost_push_one_in: u32::MAX, ..self.network };
        let number = self.processes.len();
        self.processes.push(Process::liveness_probe(self.plan, self.servers.len() - 1));
        self.event_queue.put(context::now(), SimEvent::Start(number));
        let limit = context::now() + nanos(MAX_RUN);
        self.run_until(limit, |world| {
            world.processes[number].was_started() && world.processes.iter().all(Process::is_done)
        });
        let living = self.processes[..number].iter().position(Process::is_alive);
        if let Some(regular) = living {
            self.probe_again(regular);
            self.run_until(limit, |world| world.processes[regular].is_done());
        }
    }

    /// Shuts all processes down, and checks that nothing is left.
    fn end(&mut self) {
        for (key, count) in context::counters().into_iter().enumerate() {
            let key = u32::try_from(key).expect("few keys");
            context::record_for(0, EventKind::CounterTotal { key, count });
        }
        for number in 0..self.processes.len() {
            self.close(number);
        }
        let limit = context::now() + nanos(self.plan.forgotten_within());
        self.run_until(limit, |_| false);
        context::set_now(limit);
        let busy = self.processes.iter().filter(|process| !process.is_idle()).count();
        leftover("processes with pending work", busy as u64);
        leftover("releases that are not sent", u64::from(self.stalled_release));
        if self.plan.faults.is_empty() {
            leftover("grants that were not released", self.primary(0).released.borrow().kept());
        }
        if self.plan.keeps_requests() {
            leftover("grants to released requests", self.primary(0).released.borrow().granted);
        }
        let full = self.primaries().into_iter().any(|at| !self.servers[at].is_empty(limit));
        leftover("keys in the server", u64::from(full));
    }

    /// Dispatches events in order until `enough` or the limit.
    fn run_until(&mut self, limit: Nanos, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            let Some((at, event)) = self.event_queue.take_before(limit) else { return };
            context::set_now(at);
            self.dispatch(event);
            self.schedule_wake_ups();
        }
    }

    fn dispatch(&mut self, event: SimEvent) {
        match event {
            SimEvent::Start(process) => self.starts_at(process),
            SimEvent::Turn(process) => self.turn(process),
            SimEvent::Poll(task) => self.poll(task),
            SimEvent::Fault(number) => self.fault(number),
            SimEvent::FaultOver(number) => self.fault_over(number),
            SimEvent::Resumed(process) => self.resumed(process),
            SimEvent::ServerBack(server) => self.server_back(server),
            SimEvent::Copied(number) => self.copied(number),
            SimEvent::Moved(process, server) => self.moved(process, server),
            SimEvent::Demoted(server) => self.demoted(server),
            SimEvent::Connect(process, place) => self.connect(process, place),
            SimEvent::Look(process) => self.look(process),
            SimEvent::Migrated(fault, phase) => self.migrated(fault, phase),
            SimEvent::ConnectRequest(connection) => self.connect_request(connection),
            SimEvent::ConnectReply(connection, bound) => self.connect_reply(connection, bound),
            SimEvent::ConnectFailed(connection) => self.connect_failed(connection),
            SimEvent::Request(connection, request) => self.request(connection, request),
            SimEvent::Waited(connection, batch, acknowledged) => {
                self.waited(connection, batch, acknowledged);
            }
            SimEvent::Answer(connection, answer) => self.answer(connection, answer),
            SimEvent::Push(connection, notice) => self.push(connection, notice),
            SimEvent::ClientNotices(connection) => self.client_notices(connection),
            SimEvent::ServerNotices(connection) => self.server_notices(connection),
        }
    }

    /// Schedules the tasks that were woken or that sleep.
    fn schedule_wake_ups(&mut self) {
        context::drain_woken(&mut self.woken);
        for task in self.woken.drain(..) {
            let delay = self.chance.u64(..WAKE_UP);
            self.event_queue.put(context::now() + delay, SimEvent::Poll(task));
        }
        context::drain_sleepers(&mut self.sleepers);
        for (at, task) in self.sleepers.drain(..) {
            self.event_queue.put(at, SimEvent::Poll(task));
        }
    }
}

fn leftover(kind: &str, count: u64) {
    if count > 0 {
        context::record_for(0, EventKind::Leak { resource: kind.to_owned(), count });
    }
}
