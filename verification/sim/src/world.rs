//! A simulated cluster: the agenda of what happens next, and what it happens to.

mod agenda;
mod connect;
mod faults;
mod over;
mod process;
mod script;
mod server;
mod traffic;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use checker::{Event, EventKind, Nanos};

use self::agenda::{Agenda, Happening};
use self::process::Process;
use self::server::Server;
use self::traffic::Connection;
use crate::plan::{Plan, Weather};
use crate::stage::{self, TaskId};

/// A world at an instant.
pub(crate) struct World<'p> {
    plan: &'p Plan,
    agenda: Agenda,
    chance: fastrand::Rng,
    weather: Weather,
    server: Server,
    processes: Vec<Process>,
    connections: Vec<Connection>,
    /// Somebody let go of a lock, and nothing is done about it.
    neglected: bool,
    /// Kept for their room.
    woken: Vec<TaskId>,
    sleepers: Vec<(Nanos, TaskId)>,
}

/// How long an I/O thread or a task takes to get going after it was woken, at the most.
const WAKE_UP: Nanos = 40_000;
/// As long as a plan may go on after its last fault: far more than all its sections one after the other.
const PATIENCE: Duration = Duration::from_secs(600);

/// What came of a plan.
pub(crate) struct Ran {
    /// All that happened.
    pub(crate) events: Vec<Event>,
    /// A server that had lost its data went on as a new one: the first process to reach it had never been connected.
    pub(crate) unaware: bool,
    /// What the library said when it panicked, which it must not.
    pub(crate) panic: Option<String>,
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan) -> Ran {
    stage::clear(plan.seed, plan.keys);
    let mut world = World::new(plan);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.live();
        world.look_after();
        world.end();
    }));
    let unaware = world.server.is_unaware();
    drop(world);
    let panic = lived.err().map(|panic| text_of(&*panic));
    Ran { events: stage::take_history(), unaware, panic }
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
        let mut world = Self {
            plan,
            agenda: Agenda::default(),
            chance: fastrand::Rng::with_seed(plan.seed ^ 0x5eed),
            weather: plan.weather,
            server: Server::new(plan.server_ppm),
            processes,
            connections: Vec::new(),
            neglected: false,
            woken: Vec::new(),
            sleepers: Vec::new(),
        };
        for (number, member) in plan.processes.iter().enumerate() {
            world.agenda.put(nanos(member.born), Happening::Born(number));
        }
        for (number, fault) in plan.faults.iter().enumerate() {
            world.agenda.put(nanos(fault.at), Happening::Fault(number));
        }
        world
    }

    /// Until all tasks have ended, or it takes too long.
    fn live(&mut self) {
        let limit = nanos(self.plan.heals_at() + PATIENCE);
        let born = nanos(self.plan.heals_at());
        self.go_on(limit, |world| {
            stage::now() > born && world.processes.iter().all(Process::is_done)
        });
        stage::set_now(stage::now().max(born));
    }

    /// A fresh process gets every lock, in time, and so does one that has been there for long.
    fn look_after(&mut self) {
        if !self.plan.visited {
            return;
        }
        self.weather =
            Weather { slow_one_in: u32::MAX, lost_push_one_in: u32::MAX, ..self.weather };
        let number = self.processes.len();
        self.processes.push(Process::visitor(self.plan));
        self.agenda.put(stage::now(), Happening::Born(number));
        let limit = stage::now() + nanos(PATIENCE);
        self.go_on(limit, |world| {
            world.processes[number].was_born() && world.processes.iter().all(Process::is_done)
        });
        let living = self.processes[..number].iter().position(Process::is_alive);
        if let Some(regular) = living {
            self.ask_again(regular);
            self.go_on(limit, |world| world.processes[regular].is_done());
        }
    }

    /// Everybody goes, and nothing stays behind.
    fn end(&mut self) {
        for (key, count) in stage::counters().into_iter().enumerate() {
            let key = u32::try_from(key).expect("few keys");
            stage::record_of(0, EventKind::CounterTotal { key, count });
        }
        for number in 0..self.processes.len() {
            self.close(number);
        }
        let limit = stage::now() + nanos(self.plan.forgotten_within());
        self.go_on(limit, |_| false);
        stage::set_now(limit);
        let busy = self.processes.iter().filter(|process| !process.is_idle()).count();
        leftover("processes with something to undo", busy as u64);
        leftover("releases that nobody sends", u64::from(self.neglected));
        if self.plan.faults.is_empty() {
            leftover("grants that nobody gave back", self.server.over.kept());
        }
        if self.plan.keeps_requests() {
            leftover("grants to requests that were over", self.server.over.granted);
        }
        leftover("keys in the server", u64::from(!self.server.is_empty(limit)));
    }

    /// Lets happen what happens, in order, until `enough`.
    fn go_on(&mut self, limit: Nanos, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            let Some((at, happening)) = self.agenda.take_before(limit) else { return };
            stage::set_now(at);
            self.happen(happening);
            self.follow_up();
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Born(process) => self.born(process),
            Happening::Turn(process) => self.turn(process),
            Happening::Poll(task) => self.poll(task),
            Happening::Fault(number) => self.fault(number),
            Happening::FaultOver(number) => self.fault_over(number),
            Happening::Resumed(process) => self.resumed(process),
            Happening::ServerBack => self.server_back(),
            Happening::Connect(process) => self.connect(process),
            Happening::Hello(connection) => self.hello(connection),
            Happening::Welcome(connection, bound) => self.welcome(connection, bound),
            Happening::ConnectFailed(process, attempt) => self.connect_failed(process, attempt),
            Happening::Request(connection, request) => self.request(connection, request),
            Happening::Answer(connection, answer) => self.answer(connection, answer),
            Happening::Push(connection, notice) => self.push(connection, notice),
            Happening::ClientNotices(connection) => self.client_notices(connection),
            Happening::ServerNotices(connection) => self.server_notices(connection),
        }
    }

    /// Puts on the agenda who was woken and who went to sleep.
    fn follow_up(&mut self) {
        stage::drain_woken(&mut self.woken);
        for task in self.woken.drain(..) {
            let delay = self.chance.u64(..WAKE_UP);
            self.agenda.put(stage::now() + delay, Happening::Poll(task));
        }
        stage::drain_sleepers(&mut self.sleepers);
        for (at, task) in self.sleepers.drain(..) {
            self.agenda.put(at, Happening::Poll(task));
        }
    }
}

fn leftover(kind: &str, count: u64) {
    if count > 0 {
        stage::record_of(0, EventKind::Leak { resource: kind.to_owned(), count });
    }
}
