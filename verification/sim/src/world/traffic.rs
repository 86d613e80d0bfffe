//! Connections, and what goes over them.

use std::collections::VecDeque;
use std::time::Duration;

use checker::Nanos;
use distlock_runtime::Fence;
use distlock_runtime::verification::{
    AcquireReply, Command, CommandError, EVERYONE, Notification, Publish, Reply, RequestId,
};

use super::agenda::Happening;
use super::server::Server;
use super::{World, nanos};
use crate::node::Askers;
use crate::stage;

/// A connection between a process and the server, in order both ways.
pub(super) struct Connection {
    pub(super) process: usize,
    /// The client uses it.
    pub(super) open_at_client: bool,
    /// The server does: it publishes to it.
    pub(super) open_at_server: bool,
    /// When the latest packet to the server arrives there.
    latest_up: Nanos,
    latest_down: Nanos,
    /// Batches sent so far.
    sent: u64,
    /// It is broken: nothing comes back any more.
    pub(super) cut: bool,
    /// What the client said when it connected.
    pub(super) greeting: (Fence, Duration, bool),
    /// Only so many batches still arrive.
    pub(super) arrive: u64,
    /// How much later than usual.
    pub(super) late: Nanos,
    /// Until when nothing gets through.
    pub(super) stuck_until: Nanos,
    /// What the client has no replies to yet, in order.
    under_way: VecDeque<(u64, Askers)>,
}

/// A batch of calls under way to the server.
pub(super) struct Request {
    number: u64,
    calls: Vec<Command>,
    /// It was late already.
    delayed: bool,
}

/// The replies to it under way back.
pub(super) struct Answer {
    number: u64,
    replies: Vec<Result<Reply, CommandError>>,
    /// The requests that have a place in a queue.
    queued: Vec<RequestId>,
}

impl Connection {
    pub(super) fn new(
        process: usize,
        stuck_until: Nanos,
        greeting: (Fence, Duration, bool),
    ) -> Self {
        Self {
            process,
            open_at_client: true,
            open_at_server: false,
            latest_up: 0,
            latest_down: 0,
            sent: 0,
            cut: false,
            greeting,
            arrive: u64::MAX,
            late: 0,
            stuck_until,
            under_way: VecDeque::new(),
        }
    }

    /// Whether nothing comes out of it any more at the client's end.
    const fn is_dead_for_client(&self) -> bool {
        !self.open_at_client || self.cut
    }

    /// The client leaves it, with these calls unanswered.
    pub(super) fn leave(&mut self) -> Vec<Askers> {
        self.open_at_client = false;
        self.under_way.drain(..).map(|(_, askers)| askers).collect()
    }

    /// How many batches have not been answered.
    pub(super) fn unanswered(&self) -> u64 {
        self.under_way.len() as u64
    }

    /// It breaks: of what is under way to the server all but the last `lost` batches arrive, so much late.
    pub(super) fn break_off(&mut self, lost: u64, late: Nanos) {
        self.cut = true;
        self.arrive = self.sent.saturating_sub(lost);
        self.late = late;
    }

    /// When the last of what was sent on it has arrived.
    pub(super) const fn silent_at(&self) -> Nanos {
        self.latest_up + self.late + 1
    }
}

impl World<'_> {
    /// How long a packet takes.
    pub(super) fn travel(&mut self) -> Nanos {
        let weather = self.weather;
        let slow = weather.slow_one_in != u32::MAX && self.chance.u32(..weather.slow_one_in) == 0;
        let most = nanos(if slow { weather.slow } else { weather.usual });
        10_000 + self.chance.u64(..most.max(1))
    }

    /// When a packet that leaves now arrives at the server, after those before it.
    pub(super) fn arrival_up(&mut self, connection: usize) -> Nanos {
        let travel = self.travel();
        let connection = &mut self.connections[connection];
        let at = (stage::now() + travel).max(connection.stuck_until).max(connection.latest_up + 1);
        connection.latest_up = at;
        at
    }

    pub(super) fn arrival_down(&mut self, connection: usize) -> Nanos {
        let travel = self.travel();
        let connection = &mut self.connections[connection];
        let at =
            (stage::now() + travel).max(connection.stuck_until).max(connection.latest_down + 1);
        connection.latest_down = at;
        at
    }

    pub(super) fn send(&mut self, connection: usize, askers: Askers, calls: Vec<Command>) {
        let at = self.arrival_up(connection);
        let link = &mut self.connections[connection];
        let number = link.sent;
        link.sent += 1;
        link.under_way.push_back((number, askers));
        let request = Request { number, calls, delayed: false };
        self.agenda.put(at, Happening::Request(connection, request));
    }

    pub(super) fn request(&mut self, connection: usize, request: Request) {
        let link = &self.connections[connection];
        if !link.open_at_server || request.number >= link.arrive || self.server.down {
            return;
        }
        if link.late > 0 && !request.delayed {
            let late = Request { delayed: true, ..request };
            let at = stage::now() + link.late;
            return self.agenda.put(at, Happening::Request(connection, late));
        }
        if stage::now() < self.server.away_until {
            let at = self.server.away_until + request.number;
            return self.agenda.put(at, Happening::Request(connection, request));
        }
        // A process that hears no reply loads no scripts.
        let bound = if link.cut { Duration::ZERO } else { self.bound(link.process) };
        let replies = self.publishing(|server, publish| {
            server.call(stage::now(), &request.calls, bound, publish)
        });
        let at = self.arrival_down(connection);
        let asked = request.calls.iter().zip(&replies);
        let queued = asked.filter_map(|(call, reply)| in_queue(call, reply)).collect();
        let answer = Answer { number: request.number, replies, queued };
        self.agenda.put(at, Happening::Answer(connection, answer));
    }

    /// Lets the server do something, and sends off what it publishes.
    pub(super) fn publishing<T>(
        &mut self,
        act: impl FnOnce(&mut Server, &mut Publish<'_>) -> T,
    ) -> T {
        let mut pushes = Vec::new();
        let done = {
            let Self { server, connections, .. } = self;
            let mut publish = |inbox: &str, notice: Notification| {
                publish(connections, inbox, notice, &mut pushes)
            };
            act(server, &mut publish)
        };
        for (listener, notice) in pushes {
            // Nothing makes up for a lost message about a bound: a process loses one only with its connection.
            let may_be_lost = !matches!(notice, Notification::MaxLease(_));
            if may_be_lost
                && self.weather.lost_push_one_in != u32::MAX
                && self.chance.u32(..self.weather.lost_push_one_in) == 0
            {
                continue;
            }
            let at = self.arrival_down(listener);
            self.agenda.put(at, Happening::Push(listener, notice));
        }
        done
    }

    pub(super) fn answer(&mut self, connection: usize, answer: Answer) {
        if let Some(at) = self.held_up(connection) {
            return self.agenda.put(at, Happening::Answer(connection, answer));
        }
        let link = &mut self.connections[connection];
        if link.is_dead_for_client() {
            return;
        }
        // Of replies that were held up more than once the first may come last; they are read in their order.
        if link.under_way.front().is_some_and(|(number, _)| *number < answer.number) {
            return self.agenda.put(stage::now() + 1, Happening::Answer(connection, answer));
        }
        let Some((_, askers)) = link.under_way.pop_front() else { return };
        let process = link.process;
        self.with_node(process, |node, now| {
            answer.queued.into_iter().for_each(stage::queued);
            node.replies(now, askers, answer.replies);
        });
        self.turn(process);
    }

    pub(super) fn push(&mut self, connection: usize, notice: Notification) {
        if let Some(at) = self.held_up(connection) {
            return self.agenda.put(at, Happening::Push(connection, notice));
        }
        if self.connections[connection].is_dead_for_client() {
            return;
        }
        let process = self.connections[connection].process;
        self.with_node(process, |node, now| node.notice(now, notice));
        self.turn(process);
    }

    /// When the process of this connection runs on, if it stands still.
    pub(super) fn held_up(&self, connection: usize) -> Option<Nanos> {
        self.processes[self.connections[connection].process].paused_until()
    }
}

/// The request of this call, if it was put into a queue by it.
fn in_queue(call: &Command, reply: &Result<Reply, CommandError>) -> Option<RequestId> {
    match (call, reply) {
        (Command::Acquire(ask), Ok(Reply::Acquire(AcquireReply::Busy(_))))
            if ask.enqueue.is_some() =>
        {
            Some(ask.request.id)
        }
        _ => None,
    }
}

/// Puts a notice on its way to whoever has subscribed to this inbox, dead or alive; whether there is anybody.
fn publish(
    connections: &[Connection],
    inbox: &str,
    notice: Notification,
    pushes: &mut Vec<(usize, Notification)>,
) -> bool {
    let process = (inbox != EVERYONE)
        .then(|| inbox.parse::<usize>().expect("inboxes are named by their process"));
    let before = pushes.len();
    let listeners = connections.iter().enumerate().filter(|(_, link)| link.open_at_server);
    let listeners = listeners.filter(|(_, link)| process.is_none_or(|it| link.process == it));
    pushes.extend(listeners.map(|(number, _)| (number, notice)));
    pushes.len() > before
}
