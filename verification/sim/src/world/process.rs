//! A process: its clock, its I/O thread, its tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use checker::{EventKind, Nanos};
use distlock_runtime::verification::Timestamp;
use distlock_runtime::{Fence, LockManager};

use super::agenda::Happening;
use super::{WAKE_UP, World, nanos, script};
use crate::clock::Clock;
use crate::node::{Node, Settings, start};
use crate::plan::{Member, Plan, Task};
use crate::stage::{self, TaskId};

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A process of the world.
pub(super) struct Process {
    ttl: Duration,
    waits_out: bool,
    clock: Clock,
    tasks: Vec<Arc<Task>>,
    /// What it runs, from its birth to its death.
    life: Option<Life>,
    dead: bool,
    pub(super) link: Link,
    /// Attempts to connect that failed since the last one that did not.
    pub(super) failures: u32,
    pub(super) connected_before: bool,
    /// Until when nothing gets through to it.
    pub(super) stuck_until: Nanos,
    paused_until: Nanos,
    /// When its I/O thread is to be turned next.
    turns_at: Option<Nanos>,
}

struct Life {
    node: Node,
    /// Gone when it is shut down.
    locks: Option<LockManager>,
    running: Vec<Option<Running>>,
}

/// Where it stands with its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// It will try to connect.
    None,
    /// It tries to.
    Connecting(usize),
    /// It is connected.
    Up(usize),
}

impl Process {
    pub(super) fn new(member: &Member) -> Self {
        let tasks = member.tasks.iter().cloned().map(Arc::new).collect();
        Self {
            ttl: member.ttl,
            waits_out: member.waits_out,
            clock: Clock::new(nanos(member.offset), member.ppm),
            tasks,
            life: None,
            dead: false,
            link: Link::None,
            failures: 0,
            connected_before: false,
            stuck_until: 0,
            paused_until: 0,
            turns_at: None,
        }
    }

    /// One that asks for every lock once, when all others are done.
    pub(super) fn visitor(plan: &Plan) -> Self {
        let tasks = vec![script::visit(plan)];
        let offset = Duration::from_secs(1);
        let ttl = plan.shortest_ttl();
        let (born, ppm, waits_out) = (Duration::ZERO, 0, true);
        Self::new(&Member { born, ttl, waits_out, ppm, offset, tasks })
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    pub(super) const fn was_born(&self) -> bool {
        self.life.is_some() || self.dead
    }

    /// Whether it has nothing to do any more.
    pub(super) fn is_done(&self) -> bool {
        let over = |life: &Life| life.running.iter().all(Option::is_none);
        self.dead || self.life.as_ref().is_some_and(over)
    }

    /// Whether its I/O thread has nothing to undo.
    pub(super) fn is_idle(&self) -> bool {
        self.life.as_ref().is_none_or(|life| life.node.is_idle())
    }

    /// When it runs on, if it stands still.
    pub(super) fn paused_until(&self) -> Option<Nanos> {
        (stage::now() < self.paused_until).then_some(self.paused_until)
    }
}

fn number(process: usize) -> u32 {
    u32::try_from(process).expect("few processes")
}

impl World<'_> {
    pub(super) fn born(&mut self, process: usize) {
        let clock = self.processes[process].clock;
        stage::enter(number(process), 0, clock);
        let Process { ttl, waits_out, .. } = self.processes[process];
        let (node, locks) = start(Settings {
            inbox: process.to_string(),
            ttl,
            max_handoffs: self.plan.max_handoffs,
            data_loss_grace: waits_out,
        });
        let glance = self.plan.shortest_ttl() / 4;
        let this = &mut self.processes[process];
        let run = |task: &Arc<Task>| -> Option<Running> {
            Some(Box::pin(script::run(Arc::clone(task), locks.clone(), glance)))
        };
        let running: Vec<_> = this.tasks.iter().map(run).collect();
        for task in 0..running.len() {
            let id = (number(process), number(task));
            self.agenda.put(stage::now(), Happening::Poll(id));
        }
        this.life = Some(Life { node, locks: Some(locks), running });
        self.agenda.put(stage::now(), Happening::Connect(process));
    }

    /// One more task in a process that lives: it asks for every lock once.
    pub(super) fn ask_again(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        let Some(locks) = life.locks.clone() else { return };
        let glance = self.plan.shortest_ttl() / 4;
        let task = number(life.running.len());
        life.running.push(Some(Box::pin(script::run(
            Arc::new(script::visit(self.plan)),
            locks,
            glance,
        ))));
        self.agenda.put(stage::now(), Happening::Poll((number(process), task)));
    }

    /// A turn of the I/O thread.
    pub(super) fn turn(&mut self, process: usize) {
        let this = &mut self.processes[process];
        if let Some(at) = this.paused_until() {
            return self.agenda.put(at, Happening::Turn(process));
        }
        let Some(life) = &mut this.life else { return };
        if this.turns_at.is_some_and(|at| at <= stage::now()) {
            this.turns_at = None;
        }
        stage::enter(number(process), 0, this.clock);
        let stalled = life.node.turn(stage::local_now());
        if stalled {
            self.give_up_connection(process, "no reply came");
        }
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        let batch = match this.link {
            Link::Up(connection) => life.node.take_batch().map(|batch| (connection, batch)),
            Link::None | Link::Connecting(_) => None,
        };
        life.node.deliver();
        if let Some((connection, (askers, calls))) = batch {
            self.send(connection, askers, calls);
        }
        self.look_at_releases(process);
        self.turn_in_time(process);
    }

    /// Whoever is connected and waits for no reply has done what there was to do about what was let go of, or soon tries again.
    fn look_at_releases(&mut self, process: usize) {
        let this = &self.processes[process];
        let (Some(life), Link::Up(connection)) = (&this.life, this.link) else { return };
        if self.connections[connection].unanswered() == 0 {
            self.neglected |= life.node.neglects(stage::local_now());
        }
    }

    /// Sees to it that the I/O thread is turned when it has something to do.
    fn turn_in_time(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &this.life else { return };
        let mail = life.node.has_mail().then(|| stage::now() + self.chance.u64(..WAKE_UP));
        let due = life.node.due().map(|due| this.clock.when(due.as_nanos()).max(stage::now() + 1));
        let Some(at) = mail.into_iter().chain(due).min() else { return };
        if this.turns_at.is_none_or(|planned| at < planned) {
            this.turns_at = Some(at);
            self.agenda.put(at, Happening::Turn(process));
        }
    }

    pub(super) fn poll(&mut self, task: TaskId) {
        let process = task.0 as usize;
        let this = &mut self.processes[process];
        if let Some(at) = this.paused_until() {
            let at = at + self.chance.u64(..WAKE_UP);
            return self.agenda.put(at, Happening::Poll(task));
        }
        let Some(life) = &mut this.life else { return };
        let Some(slot) = life.running.get_mut(task.1 as usize) else { return };
        let Some(running) = slot else { return };
        stage::enter(task.0, task.1, this.clock);
        let waker = stage::waker(task);
        if running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *slot = None;
        }
        self.turn_in_time(process);
    }

    pub(super) fn pause(&mut self, process: usize, span: Duration) {
        let this = &mut self.processes[process];
        if this.life.is_none() {
            return;
        }
        let until = stage::now() + nanos(span);
        if this.paused_until().is_none() {
            stage::record_of(number(process), EventKind::Paused(true));
        }
        this.paused_until = this.paused_until.max(until);
        self.agenda.put(until, Happening::Resumed(process));
    }

    pub(super) fn resumed(&mut self, process: usize) {
        let this = &self.processes[process];
        if this.life.is_some() && this.paused_until().is_none() {
            stage::record_of(number(process), EventKind::Paused(false));
        }
    }

    pub(super) fn crash(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = this.life.take() else { return };
        this.dead = true;
        stage::enter(number(process), 0, this.clock);
        stage::record_of(number(process), EventKind::Crashed);
        stage::unseen(|| drop(life));
        self.leave_connection(process);
    }

    /// The process ends in an orderly way.
    pub(super) fn close(&mut self, process: usize) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        stage::enter(number(process), 0, this.clock);
        life.running.clear();
        life.locks = None;
        self.turn_in_time(process);
    }

    /// Lets the I/O thread of a process that runs take something in.
    pub(super) fn with_node(&mut self, process: usize, act: impl FnOnce(&mut Node, Timestamp)) {
        let this = &mut self.processes[process];
        let Some(life) = &mut this.life else { return };
        stage::enter(number(process), 0, this.clock);
        act(&mut life.node, stage::local_now());
    }

    /// What its I/O thread says when it connects.
    pub(super) fn greeting(&self, process: usize) -> Option<(Fence, Duration, bool)> {
        let this = &self.processes[process];
        let (min_fence, bound) = this.life.as_ref()?.node.greeting();
        Some((min_fence, bound, this.connected_before))
    }

    /// What it knows of the longest lease of all processes.
    pub(super) fn bound(&self, process: usize) -> Duration {
        self.greeting(process).map_or(Duration::ZERO, |(_, bound, _)| bound)
    }
}
