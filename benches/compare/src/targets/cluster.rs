//! Locks of a Redis Cluster, beside the same on one server, and beside the cluster client of the
//! crate `redis`.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use testkit::{Cluster, Direction, RedisServer};

use super::Run;
use super::own_keys::WORKERS;
use super::pairs::{KINDS, median_pair};
use super::target::{Bound, Side, Target};
use crate::affinity::{self, Placement};
use crate::bench::{self, Load, PATIENCE};
use crate::candidate::{Candidate, Workers};
use crate::child::handoff::{FREE, HOLD};
use crate::history::{History, count};
use crate::rows::handoff;
use crate::{baseline, clock};

/// Of a cluster, in comparison with one server.
const BOUND: f64 = 1.1;
/// That of the current-thread runtime is limited by the client, that of two threads by the cores.
const FLAVOURS: [(&str, Workers); 2] =
    [("current-thread", Workers::CurrentThreadTasks), ("multi-thread", Workers::Tasks)];
const CLIENT: &str = "raw, cluster client,";
/// Of the network, in each direction: far above what processes take to wake up.
const DELAY: Duration = Duration::from_millis(2);
const POLL: Duration = Duration::from_micros(50);

/// In each placement of the client and the one node.
pub fn pairs(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for placement in Placement::all()? {
        let server = affinity::on_core(placement.server, bench::server)?;
        let cluster = affinity::on_core(placement.server, || Ok(Cluster::bare(1)?))?;
        let urls = [server.url(), cluster.url()];
        for (kind, by) in KINDS {
            let load = |candidate: Candidate, url| {
                let core = Some(placement.client);
                Load { core, ..Load::own_keys(candidate.by(by), url, 1) }
            };
            let loads = [
                load(Candidate::DISTLOCK_THREADS, &urls[0]),
                load(Candidate::DISTLOCK_THREADS, &urls[1]),
                load(Candidate::RAW_THREADS, &urls[1]),
            ];
            let [plain, ours, raw] = run.sides(&loads, median_pair)?;
            let measure = format!("pair on a cluster, {kind}, {}, µs", placement.name);
            let beside =
                |reference, bound| Target::beside(&measure, &ours, reference, Bound::AtMost(bound));
            targets.push(beside(("one server", &plain), BOUND));
            targets.push(beside((CLIENT, &raw), 1.0));
        }
    }
    Ok(targets)
}

pub fn own_keys(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let server = bench::server()?;
    let mut targets = Vec::new();
    for nodes in [1, 3] {
        let cluster = Cluster::bare(nodes)?;
        let urls = [server.url(), cluster.url()];
        let place = place(nodes);
        for (flavour, by) in FLAVOURS {
            let load = |candidate: Candidate, url| Load::own_keys(candidate.by(by), url, WORKERS);
            let loads = [
                load(Candidate::DISTLOCK_TASKS, &urls[0]),
                load(Candidate::DISTLOCK_TASKS, &urls[1]),
                load(Candidate::RAW_TASKS, &urls[1]),
            ];
            let [plain, ours, raw] = run.sides(&loads, History::per_second)?;
            let measure = format!("{WORKERS} tasks x {WORKERS} keys, {place}, {flavour}, pairs/s");
            targets.push(Target::beside(&measure, &ours, (CLIENT, &raw), Bound::AtLeast(1.0)));
            targets.push(Target::beside(&measure, &ours, ("one server", &plain), Bound::None));
        }
    }
    Ok(targets)
}

/// In each placement of both clients and the one node.
pub fn handoffs(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let ours = [Candidate::DISTLOCK_THREADS, Candidate::DISTLOCK_TASKS];
    let mut targets = Vec::new();
    for placement in Placement::all()? {
        let server = affinity::on_core(placement.server, bench::server)?;
        let cluster = affinity::on_core(placement.server, || Ok(Cluster::bare(1)?))?;
        let (plain, all) = (server.url(), cluster.url());
        let [first, second] = ours;
        let sides = [(first, &plain), (first, &all), (second, &plain), (second, &all)];
        let sides = sides.into_iter().chain([(Candidate::RSLOCK_SPINNING, &all)]);
        let mut sides: Vec<_> = sides.map(|(it, url)| (it, url, Side::default())).collect();
        for round in 1..=run.rounds {
            for (candidate, url, side) in &mut sides {
                let (name, by) = (placement.name, candidate.workers());
                run.bench.at(format_args!("handoff, {name}, round {round}: {candidate}, {by}"));
                let (latency, ..) = affinity::on_core(placement.client, || {
                    handoff::handoffs(run.bench, url, *candidate, run.time * 2)
                })?;
                side.figures.push(latency.median());
            }
        }
        let side = |index: usize| &sides[index].2;
        for (candidate, at) in ours.into_iter().zip([0, 2]) {
            let (by, place) = (candidate.workers(), placement.name);
            let measure = format!("release -> hold in another process, cluster, {by}, {place}, µs");
            let (plain, rslock) = (("one server", side(at)), ("rslock, spinning,", side(4)));
            targets.push(Target::beside(&measure, side(at + 1), plain, Bound::AtMost(BOUND)));
            targets.push(Target::beside(&measure, side(at + 1), rslock, Bound::Below(1.0)));
        }
    }
    Ok(targets)
}

/// The first call of a process that waits for a lock in a slot subscribes before it queues.
pub fn first_waits(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let cluster = Cluster::start()?;
    for node in 0..cluster.addresses().len() {
        cluster.proxy(node).delay(Direction::ToServer, DELAY);
        cluster.proxy(node).delay(Direction::ToClient, DELAY);
    }
    let mut targets = Vec::new();
    for candidate in [Candidate::DISTLOCK_THREADS, Candidate::DISTLOCK_TASKS] {
        let (mut more, by) = (Vec::new(), candidate.workers());
        for round in 1..=run.rounds {
            run.bench.at(format_args!("first waits, round {round}: {by}"));
            let [first, later] = until_queued(run, &cluster, candidate)?;
            more.push((first - later) / (DELAY * 2).as_secs_f64());
        }
        let measure = format!("round trips more of the first wait in a slot, {by}");
        targets.push(Target::alone(measure, more, Bound::AtMost(BOUND)));
    }
    Ok(targets)
}

/// The median seconds from the request until it is in the queue: of the first wait of each process
/// in a slot, and of those after it.
fn until_queued(
    run: &Run<'_>,
    cluster: &Cluster,
    candidate: Candidate,
) -> anyhow::Result<[f64; 2]> {
    let url = cluster.url();
    let mut holder = run.bench.handoff(candidate, &url, "none")?;
    let mut waiter = run.bench.handoff(candidate, &url, "none")?;
    let (start, mut spans) = (Instant::now(), [Vec::new(), Vec::new()]);
    while start.elapsed() < run.time * 2 {
        // Of a new slot, most probably.
        let key = bench::new_key();
        let mut node = cluster.node(cluster.owner_of(cluster.slot_of(&key))).connection();
        let hold = format!("{HOLD} {key}");
        holder.tell(&hold)?;
        holder.line(PATIENCE)?;
        for of in [0, 0, 1, 1] {
            waiter.tell(&hold)?;
            let asked = Instant::now();
            let queue = format!("lock:{{{key}}}:queue");
            while !redis::cmd("EXISTS").arg(&queue).query::<bool>(&mut node)? {
                ensure!(asked.elapsed() < PATIENCE, "nothing is queued");
                thread::sleep(POLL);
            }
            let queued = clock::now();
            holder.tell(FREE)?;
            holder.line(PATIENCE)?;
            let [asked, _] = waiter.numbers::<u64, 2>(PATIENCE)?;
            spans[of].push(queued.saturating_sub(asked));
            std::mem::swap(&mut holder, &mut waiter);
        }
        holder.tell(FREE)?;
        holder.line(PATIENCE)?;
    }
    Ok(spans.map(|spans| spans.into_iter().collect::<crate::latency::Latency>().median() / 1e6))
}

/// From one node to three. Client and nodes share the cores of this machine, so that more nodes
/// cannot do more here; what each pair takes of the processors says what they would do elsewhere.
pub fn scaling(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let counts = [1, 3];
    let clusters = [Cluster::bare(counts[0])?, Cluster::bare(counts[1])?];
    let candidate = Candidate::DISTLOCK_TASKS.by(Workers::CurrentThreadTasks);
    let (mut rates, mut server_cpu, mut bounds) = (
        [(); 2].map(|()| Side::default()),
        [(); 2].map(|()| Side::default()),
        [[]; 2].map(Vec::from),
    );
    for round in 1..=run.rounds {
        for (at, cluster) in clusters.iter().enumerate() {
            run.bench.at(format_args!("{}, round {round}", place(counts[at])));
            let before = cpu_micros(cluster)?;
            let url = cluster.url();
            let history = run.bench.run_for(&Load::own_keys(candidate, &url, WORKERS), run.time)?;
            let each = (cpu_micros(cluster)? - before) / count(history.acquisitions());
            rates[at].figures.push(history.per_second());
            rates[at].cpu.push(history.cpu_micros_each());
            server_cpu[at].figures.push(each);
            bounds[at].push(1e6 / each * count(counts[at]));
        }
    }
    let beside = |measure: &str, [one, three]: &[Side; 2]| {
        Target::beside(format!("3 nodes, {measure}"), three, ("1 node", one), Bound::None)
    };
    Ok(vec![
        beside("pairs/s, measured", &rates),
        beside("µs of CPU of all nodes for a pair, measured", &server_cpu),
        beside("pairs/s if each node had a core, extrapolated", &bounds.map(Side::from)),
    ])
}

/// Of all nodes together so far.
fn cpu_micros(cluster: &Cluster) -> anyhow::Result<f64> {
    let nodes = (0..cluster.addresses().len()).map(|node| {
        let mut node = cluster.node(node).connection();
        let info: String = redis::cmd("INFO").arg("cpu").query(&mut node)?;
        let of = |name| info.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        let seconds = ["used_cpu_sys:", "used_cpu_user:"].map(|name| of(name).unwrap_or(f64::NAN));
        anyhow::Ok(seconds.iter().sum::<f64>() * 1e6)
    });
    nodes.sum()
}

/// What the other clients take, without distlock.
pub fn peers(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for placement in Placement::all()? {
        let cluster = affinity::on_core(placement.server, || Ok(Cluster::bare(1)?))?;
        let node = cluster.node(0);
        let urls = [cluster.url(), node.url()];
        let ping = ping(run, &placement, node)?;
        for (kind, by) in KINDS {
            let load = |candidate: Candidate, url| {
                let core = Some(placement.client);
                Load { core, ..Load::own_keys(candidate, url, 1) }
            };
            let raw = Candidate::RAW_TASKS.by(by);
            let [client, direct] =
                run.sides(&[load(raw, &urls[0]), load(raw, &urls[1])], median_pair)?;
            let place = placement.name;
            let measure = format!("raw pair, cluster client, {kind}, {place}, µs");
            targets.push(Target::beside(&measure, &client, ("direct", &direct), Bound::None));
            targets.push(Target::beside(&measure, &client, ("PING", &ping), Bound::None));
            if by != Workers::Threads {
                let rslock = [load(Candidate::RSLOCK.by(by), &urls[0]), load(raw, &urls[0])];
                let [rslock, client] = run.sides(&rslock, median_pair)?;
                let measure = format!("rslock's pair, {kind}, {place}, µs");
                targets.push(Target::beside(&measure, &rslock, (CLIENT, &client), Bound::None));
            }
        }
    }
    for nodes in [1, 3] {
        let cluster = Cluster::bare(nodes)?;
        let (urls, place) = ([cluster.url(), cluster.node(0).url()], place(nodes));
        for (flavour, by) in FLAVOURS {
            let load = |candidate: Candidate, url| Load::own_keys(candidate.by(by), url, WORKERS);
            let (raw, rslock) = (Candidate::RAW_TASKS, Candidate::RSLOCK);
            let loads = [load(raw, &urls[0]), load(rslock, &urls[0])];
            let [client, rslock] = run.sides(&loads, History::per_second)?;
            let tasks = format!("{WORKERS} tasks x {WORKERS} keys, {place}, {flavour}, pairs/s");
            let measure = format!("rslock, {tasks}");
            targets.push(Target::beside(measure, &rslock, (CLIENT, &client), Bound::None));
            if nodes == 1 {
                let loads = [load(raw, &urls[0]), load(raw, &urls[1])];
                let [client, direct] = run.sides(&loads, History::per_second)?;
                let measure = format!("raw, cluster client, {tasks}");
                targets.push(Target::beside(measure, &client, ("direct", &direct), Bound::None));
            }
        }
    }
    Ok(targets)
}

fn ping(run: &Run<'_>, placement: &Placement, node: &RedisServer) -> anyhow::Result<Side> {
    let medians = (0..run.rounds).map(|_| {
        let latency = affinity::on_core(placement.client, || baseline::ping(node, run.time / 2));
        Ok(latency?.median())
    });
    Ok(Side::from(medians.collect::<anyhow::Result<Vec<_>>>()?))
}

fn place(nodes: usize) -> &'static str {
    if nodes == 1 { "1 node" } else { "3 nodes" }
}
