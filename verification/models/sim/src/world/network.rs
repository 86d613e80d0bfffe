//! Connections and their packets.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use checker::Nanos;
use distlock_runtime::verification::{
    AcquireReply, Command, CommandError, EVERYONE, Notification, Publish, Reply, ReplyTargets,
    RequestId, Slot,
};

use super::event_queue::SimEvent;
use super::server::{Handshake, Server};
use super::{World, nanos};
use crate::context;

/// A connection between a process and the server. It keeps the order in both directions.
pub(super) struct Connection {
    pub(super) process: usize,
    /// The place of the link in its process.
    pub(super) place: usize,
    /// The server at its other end.
    pub(super) server: usize,
    /// Whether the client uses it.
    pub(super) open_at_client: bool,
    /// Whether the server publishes to it.
    pub(super) open_at_server: bool,
    /// When the latest packet to the server arrives there.
    latest_up: Nanos,
    latest_down: Nanos,
    /// Batches sent so far.
    sent: u64,
    /// It is broken: no reply arrives any more.
    pub(super) cut: bool,
    /// The handshake of the client.
    pub(super) handshake: Handshake,
    /// How many batches still arrive.
    pub(super) arrive: u64,
    /// The extra delay of those batches.
    pub(super) late: Nanos,
    /// Until when no packet arrives.
    pub(super) stuck_until: Nanos,
    /// When the server has last executed anything else than a WAIT for it.
    written_at: Nanos,
    /// While the server executes a WAIT: what has arrived behind it.
    behind_wait: Option<VecDeque<Request>>,
    /// The slots of a cluster whose notifications it gets.
    pub(super) subscribed: BTreeSet<Slot>,
    /// The batches without a reply, in order.
    under_way: VecDeque<(u64, ReplyTargets)>,
}

/// A batch of calls on its way to the server.
pub(super) struct Request {
    number: u64,
    calls: Vec<Command>,
    /// Whether the extra delay was applied.
    delayed: bool,
}

/// The replies on their way back.
pub(super) struct Answer {
    number: u64,
    replies: Vec<Result<Reply, CommandError>>,
    /// The requests that were queued.
    queued: Vec<RequestId>,
}

impl Connection {
    pub(super) fn new(
        (process, place, server): (usize, usize, usize),
        stuck_until: Nanos,
        handshake: Handshake,
    ) -> Self {
        Self {
            process,
            place,
            server,
            subscribed: BTreeSet::new(),
            open_at_client: true,
            open_at_server: false,
            latest_up: 0,
            latest_down: 0,
            sent: 0,
            cut: false,
            handshake,
            arrive: u64::MAX,
            late: 0,
            stuck_until,
            written_at: 0,
            behind_wait: None,
            under_way: VecDeque::new(),
        }
    }

    /// Whether the client receives nothing from it any more.
    const fn is_dead_for_client(&self) -> bool {
        !self.open_at_client || self.cut
    }

    /// Closes the client's end. Returns the calls without a reply.
    pub(super) fn leave(&mut self) -> Vec<ReplyTargets> {
        self.open_at_client = false;
        self.under_way.drain(..).map(|(_, reply_targets)| reply_targets).collect()
    }

    /// How many batches have no reply.
    pub(super) fn unanswered(&self) -> u64 {
        self.under_way.len() as u64
    }

    /// Breaks the connection. All but the last `lost` batches still arrive at the server, late.
    pub(super) fn break_off(&mut self, lost: u64, late: Nanos) {
        self.cut = true;
        self.arrive = self.sent.saturating_sub(lost);
        self.late = late;
    }

    /// When the last packet sent on it has arrived.
    pub(super) const fn silent_at(&self) -> Nanos {
        self.latest_up + self.late + 1
    }
}

impl World<'_> {
    /// The delay of a packet.
    pub(super) fn travel(&mut self) -> Nanos {
        let network = self.network;
        let slow = network.slow_one_in != u32::MAX && self.chance.u32(..network.slow_one_in) == 0;
        let most = nanos(if slow { network.slow } else { network.usual });
        10_000 + self.chance.u64(..most.max(1))
    }

    /// When a packet that leaves now arrives at the server, after those before it.
    pub(super) fn arrival_up(&mut self, connection: usize) -> Nanos {
        let travel = self.travel();
        let connection = &mut self.connections[connection];
        let at =
            (context::now() + travel).max(connection.stuck_until).max(connection.latest_up + 1);
        connection.latest_up = at;
        at
    }

    pub(super) fn arrival_down(&mut self, connection: usize) -> Nanos {
        let travel = self.travel();
        let connection = &mut self.connections[connection];
        let at =
            (context::now() + travel).max(connection.stuck_until).max(connection.latest_down + 1);
        connection.latest_down = at;
        at
    }

    pub(super) fn send(
        &mut self,
        connection: usize,
        reply_targets: ReplyTargets,
        calls: Vec<Command>,
    ) {
        let at = self.arrival_up(connection);
        let link = &mut self.connections[connection];
        let number = link.sent;
        link.sent += 1;
        link.under_way.push_back((number, reply_targets));
        let request = Request { number, calls, delayed: false };
        self.event_queue.put(at, SimEvent::Request(connection, request));
    }

    pub(super) fn request(&mut self, connection: usize, request: Request) {
        let link = &self.connections[connection];
        let server = &self.servers[link.server];
        if !link.open_at_server || request.number >= link.arrive || server.down {
            return;
        }
        if link.late > 0 && !request.delayed {
            let late = Request { delayed: true, ..request };
            let at = context::now() + link.late;
            return self.event_queue.put(at, SimEvent::Request(connection, late));
        }
        if context::now() < server.away_until {
            let at = server.away_until + request.number;
            return self.event_queue.put(at, SimEvent::Request(connection, request));
        }
        let is_unable = server.is_unable(context::now());
        if let Some(behind) = &mut self.connections[connection].behind_wait {
            return behind.push_back(request);
        }
        if let [Command::Wait { limit, .. }] = request.calls[..]
            && !is_unable
        {
            return self.wait(connection, request.number, limit);
        }
        self.connections[connection].written_at = context::now();
        let link = &self.connections[connection];
        // A process that receives no reply loads no scripts.
        let bound = if link.cut { Duration::ZERO } else { self.bound(link.process) };
        let at = link.server;
        let replies = if self.cluster.is_some() {
            request.calls.iter().map(|call| self.call_node(connection, call, bound)).collect()
        } else {
            self.publishing(at, |server, publish| {
                server.call(context::now(), &request.calls, bound, publish)
            })
        };
        let at = self.arrival_down(connection);
        let asked = request.calls.iter().zip(&replies);
        let queued = asked.filter_map(|(call, reply)| in_queue(call, reply)).collect();
        let answer = Answer { number: request.number, replies, queued };
        self.event_queue.put(at, SimEvent::Answer(connection, answer));
    }

    /// The server executes a WAIT: until its replica has all that was written on this connection.
    fn wait(&mut self, connection: usize, batch: u64, limit: Duration) {
        let (now, lag) = (context::now(), self.travel() + self.travel());
        let link = &mut self.connections[connection];
        link.behind_wait = Some(VecDeque::new());
        let copied = self.servers[link.server].copied_at(link.written_at);
        let acknowledged = copied.map(|at| (at + lag).max(now));
        let limit = now + nanos(limit);
        let in_time = acknowledged.filter(|at| *at <= limit);
        let event = SimEvent::Waited(connection, batch, u32::from(in_time.is_some()));
        self.event_queue.put(in_time.unwrap_or(limit), event);
    }

    /// It is answered, and what came behind it is executed.
    pub(super) fn waited(&mut self, connection: usize, number: u64, acknowledged: u32) {
        let server = &self.servers[self.connections[connection].server];
        if context::now() < server.away_until {
            let event = SimEvent::Waited(connection, number, acknowledged);
            return self.event_queue.put(server.away_until, event);
        }
        if !self.connections[connection].open_at_server {
            return;
        }
        let at = self.arrival_down(connection);
        let replies = vec![Ok(Reply::Acknowledged(acknowledged))];
        let answer = Answer { number, replies, queued: Vec::new() };
        self.event_queue.put(at, SimEvent::Answer(connection, answer));
        for request in self.connections[connection].behind_wait.take().into_iter().flatten() {
            self.request(connection, request);
        }
    }

    /// Runs code of this server, and sends what it publishes.
    pub(super) fn publishing<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Server, &mut Publish<'_>) -> T,
    ) -> T {
        let mut pushes = Vec::new();
        let done = {
            let Self { servers, connections, cluster, .. } = self;
            let mut publish = |inbox: &str, notice: Option<Notification>| match cluster {
                Some(cluster) => cluster.publish((at, connections), inbox, notice, &mut pushes),
                None => publish((at, connections), inbox, notice, &mut pushes),
            };
            act(&mut servers[at], &mut publish)
        };
        for (listener, notice) in pushes {
            // No later message replaces a lost `Bound`: a process loses one only with its
            // connection.
            let may_be_lost = !matches!(notice, Notification::MaxLease(_));
            if may_be_lost
                && self.network.lost_push_one_in != u32::MAX
                && self.chance.u32(..self.network.lost_push_one_in) == 0
            {
                continue;
            }
            let at = self.arrival_down(listener);
            self.event_queue.put(at, SimEvent::Push(listener, notice));
        }
        done
    }

    pub(super) fn answer(&mut self, connection: usize, answer: Answer) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::Answer(connection, answer));
        }
        let link = &mut self.connections[connection];
        if link.is_dead_for_client() {
            return;
        }
        // Replies that were delayed several times can arrive out of order. They are read in order.
        if link.under_way.front().is_some_and(|(number, _)| *number < answer.number) {
            return self.event_queue.put(context::now() + 1, SimEvent::Answer(connection, answer));
        }
        let Some((_, reply_targets)) = link.under_way.pop_front() else { return };
        let (process, place) = (link.process, link.place);
        self.with_io_thread(process, place, |io_thread, _| {
            answer.queued.into_iter().for_each(context::queued);
            io_thread.replies(reply_targets, answer.replies);
        });
        self.turn(process);
    }

    pub(super) fn push(&mut self, connection: usize, notice: Notification) {
        if let Some(at) = self.held_up(connection) {
            return self.event_queue.put(at, SimEvent::Push(connection, notice));
        }
        if self.connections[connection].is_dead_for_client() {
            return;
        }
        let Connection { process, place, .. } = self.connections[connection];
        self.with_io_thread(process, place, |io_thread, _| io_thread.notice(notice));
        self.turn(process);
    }

    /// When the process of this connection resumes, if it is paused.
    pub(super) fn held_up(&self, connection: usize) -> Option<Nanos> {
        self.processes[self.connections[connection].process].paused_until()
    }
}

/// The request of this call if the call queued it.
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

/// Sends a notification of a server to all subscribers of this inbox, dead or alive, and counts
/// none of them, as if each were subscribed to a replica. `None` asks whether there are any.
fn publish(
    (server, connections): (usize, &[Connection]),
    inbox: &str,
    notice: Option<Notification>,
    pushes: &mut Vec<(usize, Notification)>,
) -> bool {
    let process = (inbox != EVERYONE)
        .then(|| inbox.parse::<usize>().expect("an inbox is named after its process"));
    let listens = |link: &Connection| link.open_at_server && link.server == server;
    let listeners = connections.iter().enumerate().filter(|(_, link)| listens(link));
    let mut listeners = listeners.filter(|(_, link)| process.is_none_or(|it| link.process == it));
    let Some(notice) = notice else { return listeners.next().is_some() };
    pushes.extend(listeners.map(|(number, _)| (number, notice)));
    false
}
