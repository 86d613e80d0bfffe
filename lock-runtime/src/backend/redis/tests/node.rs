//! Connections to the nodes of a real cluster.

mod migration;
mod subscription;

use testkit::Cluster;

use crate::backend::redis::RedisServer;
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::redis::tls::Certificates;
use crate::backend::redis::url;
use crate::backend::socket::{Interest, Signal, wait};
use crate::backend::{ConnectParams, Incoming};
use crate::protocol::request::{CommandError, Redirect};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time;
use crate::wire::command::{Acquire, Command, Enqueue, LostHold, OpenTokens, Renewal, RequestRef};
use crate::wire::keyspace::{DataLossGrace, Keyspace, Mark, WAITER_LEASE, lease_steps};
use crate::wire::reply::{
    AcquireReply, BlockedBy, BusyReply, Grant, Notification, RenewalReply, Reply,
};
use crate::wire::slot::Slot;

use std::collections::BTreeMap;
use std::time::Duration;

type NodeAnswer = Result<Reply, CommandError>;

const LIMIT: Duration = Duration::from_secs(20);
const TTL: Duration = Duration::from_secs(60);

fn space() -> Keyspace {
    Keyspace::new("lock:").sharded()
}

fn slot(key: &str) -> Slot {
    space().slot(key)
}

/// A key in each of the first so many slots of a node.
fn keys_of(all: &Cluster, node: usize, count: usize) -> Vec<String> {
    let slots = all.slots_of(node).into_iter().filter_map(Slot::new);
    slots.take(count).map(|slot| slot.tag().to_owned()).collect()
}

/// One process and its connection to a node.
struct Client {
    pipe: RedisPipe<usize>,
    stop: Signal,
    inbox: String,
    sent: usize,
    answered: BTreeMap<usize, NodeAnswer>,
    notified: Vec<Notification>,
}

impl Client {
    fn connect(all: &Cluster, node: usize, process: &str) -> Self {
        Self::try_connect(all, node, process).unwrap()
    }

    fn try_connect(all: &Cluster, node: usize, process: &str) -> Result<Self, String> {
        let endpoint = url::parse(&format!("redis://{}", address(all, node))).unwrap();
        let (certificates, inbox) = (Certificates::default(), space().inbox(process));
        let server = RedisServer::new(endpoint, None, None, certificates, None, space()).unwrap();
        let params = ConnectParams {
            inbox: inbox.clone(),
            min_fence: Fence::ZERO,
            data_loss_grace: grace(),
            failover_grace: Duration::ZERO,
            connected_before: false,
            left: Vec::new(),
            slot: all.slots_of(node).first().copied().and_then(Slot::new),
            confirms: false,
        };
        let stop = Signal::new().unwrap();
        let pipe = server.connect(&params, &stop).map_err(|error| error.text)?;
        let (answered, notified) = (BTreeMap::new(), Vec::new());
        Ok(Self { pipe, stop, inbox, sent: 0, answered, notified })
    }

    fn mark(&self) -> Mark {
        self.pipe.mark()
    }

    /// Sends these at once. Returns the number of the first one.
    fn send(&mut self, commands: Vec<Command>) -> usize {
        let first = self.sent;
        self.sent += commands.len();
        self.pipe.send(&mut (first..).zip(commands).collect());
        self.pipe.flush().unwrap();
        first
    }

    /// Takes in what arrives until this is so.
    fn receive_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let until = time::now().plus(LIMIT);
        loop {
            self.pipe.receive().unwrap();
            while let Some(incoming) = self.pipe.next() {
                match incoming {
                    Incoming::Reply(to, outcome) => {
                        assert!(self.answered.insert(to, outcome).is_none(), "answered twice");
                    }
                    Incoming::Notification(notice) => self.notified.push(notice),
                }
            }
            if is_so(self) {
                return;
            }
            assert!(time::now() < until, "nothing comes");
            if self.pipe.has_unsent() {
                self.pipe.flush().unwrap();
            }
            wait(Some((self.pipe.stream(), Interest::Readable)), &self.stop, Some(until));
        }
    }

    /// What each of these is answered.
    fn ask_all(&mut self, commands: Vec<Command>) -> Vec<NodeAnswer> {
        let count = commands.len();
        let first = self.send(commands);
        self.receive_until(|client| client.answered.range(first..).count() == count);
        self.answered.split_off(&first).into_values().collect()
    }

    fn ask(&mut self, command: Command) -> NodeAnswer {
        self.ask_all(vec![command]).remove(0)
    }

    fn acquire(&self, number: u8, key: &str) -> Acquire {
        Acquire {
            request: request(number, key),
            ttl: TTL,
            owner: OwnerInfo {
                ttl: TTL,
                since_unix_ms: number.into(),
                pid: 1,
                host: "host".into(),
                function: "function".to_owned(),
            },
            inbox: self.inbox.as_str().into(),
            fence_count: 1,
            likely_free: true,
            enqueue: None,
        }
    }

    fn queued(&self, number: u8, key: &str) -> Command {
        let enqueue = Some(Enqueue { ticket: None, lease: WAITER_LEASE });
        Command::Acquire(Acquire { likely_free: false, enqueue, ..self.acquire(number, key) })
    }

    fn grant(&mut self, number: u8, key: &str) -> FenceRange {
        let acquire = Command::Acquire(self.acquire(number, key));
        match self.ask(acquire) {
            Ok(Reply::Acquire(AcquireReply::Granted(Grant { fences, .. }))) => fences,
            other => panic!("{other:?}"),
        }
    }

    fn busy(&mut self, command: Command) -> BusyReply {
        match self.ask(command) {
            Ok(Reply::Acquire(AcquireReply::Busy(busy))) => busy,
            other => panic!("{other:?}"),
        }
    }
}

/// A slot without tokens is new.
fn grace() -> DataLossGrace {
    DataLossGrace { max_lease: Duration::ZERO, waits: true }
}

fn id(number: u8) -> RequestId {
    RequestId::from_bits(u128::from(number) << 120 | 0xfeed)
}

fn request(number: u8, key: &str) -> RequestRef {
    let key = key.into();
    RequestRef { key, id: id(number), min_fence: Fence::ZERO, data_loss_grace: grace() }
}

fn release(number: u8, key: &str, contended: bool) -> Command {
    Command::Release { request: request(number, key), contended, keep: Duration::ZERO }
}

fn renew(number: u8, key: &str, fence: Fence) -> Command {
    Command::Renew(vec![Renewal::Hold { key: key.into(), id: id(number), fence, ttl: TTL }])
}

fn renewed(outcome: NodeAnswer) -> RenewalReply {
    match outcome {
        Ok(Reply::Renewed(each)) => each[0],
        other => panic!("{other:?}"),
    }
}

fn asking(command: Command) -> Command {
    Command::Asking(Box::new(command))
}

fn open(slot: Slot, living: &[Mark]) -> Command {
    Command::Open(OpenTokens {
        slot,
        floor: Fence::ZERO,
        max_lease: TTL,
        grace: Some(TTL),
        is_lost: false,
        living: living.into(),
    })
}

fn address(all: &Cluster, node: usize) -> String {
    all.addresses().swap_remove(node)
}

fn redirect(all: &Cluster, slot: Slot, node: usize) -> Redirect {
    Redirect { slot, address: address(all, node).into() }
}
