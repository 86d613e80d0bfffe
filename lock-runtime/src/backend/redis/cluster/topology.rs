//! Which node of a cluster serves which slots, by what one node says.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::backend::redis::address::NodeAddress;
use crate::backend::redis::preflight::field;
use crate::backend::redis::value::Value;
use crate::types::text::printable;
use crate::wire::slot::Slot;

/// The nodes and the owners of the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    /// The masters that own slots, then their replicas.
    pub(crate) nodes: Vec<NodeAddress>,
    /// An index into `nodes` for each slot; `None` if no node serves it.
    pub(crate) owners: Vec<Option<u16>>,
    /// `cluster_current_epoch`: each failover and each move of a slot raises it.
    pub(crate) epoch: u64,
    /// `cluster_my_epoch` of the node that says so. One that has just taken over slots has the
    /// highest of all. The others may know that epoch before they know of the slots.
    pub(crate) own_epoch: u64,
}

/// Why the answer of a node is not used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Its `cluster_state` is this, not `ok`: it may be cut off from the others, and see itself
    /// alone.
    Down(String),
    /// No slot has an owner.
    Empty,
    NotUnderstood,
}

/// Where a client finds a node that others call so.
pub(crate) type Translate<'a> = &'a dyn Fn(NodeAddress) -> NodeAddress;

impl Topology {
    /// Reads the answers to CLUSTER SLOTS and CLUSTER INFO of the node at the address `asked`.
    pub(crate) fn parse(
        slots: &Value,
        info: &str,
        asked: &NodeAddress,
        translate: Translate<'_>,
    ) -> Result<Self, Unusable> {
        match field(info, "cluster_state") {
            Some("ok") => {}
            Some(state) => return Err(Unusable::Down(printable(state).into_owned())),
            None => return Err(Unusable::NotUnderstood),
        }
        let number = |name| field(info, name).and_then(|epoch| epoch.parse().ok());
        let epoch = number("cluster_current_epoch").ok_or(Unusable::NotUnderstood)?;
        let own_epoch = number("cluster_my_epoch").unwrap_or(0);
        let Value::Array(ranges) = slots else { return Err(Unusable::NotUnderstood) };
        let ranges: Vec<_> =
            ranges.iter().map(Range::read).collect::<Option<_>>().ok_or(Unusable::NotUnderstood)?;
        let mut known = NodeList::default();
        let mut owners = vec![None; Slot::COUNT];
        for range in &ranges {
            let master = range.nodes.first().and_then(|node| address_of(node, asked));
            let owner = master.and_then(|master| known.index_of(translate(master)));
            for slot in &mut owners[range.first..=range.last] {
                *slot = slot.or(owner);
            }
        }
        if owners.iter().all(Option::is_none) {
            return Err(Unusable::Empty);
        }
        let replicas = ranges.iter().flat_map(|range| range.nodes.iter().skip(1));
        for replica in replicas.filter_map(|node| address_of(node, asked)) {
            known.index_of(translate(replica));
        }
        Ok(Self { nodes: known.nodes, owners, epoch, own_epoch })
    }

    /// The node that serves a slot.
    pub(crate) fn owner_of(&self, slot: Slot) -> Option<&NodeAddress> {
        let owner = self.owners[usize::from(slot.number())]?;
        Some(&self.nodes[usize::from(owner)])
    }

    /// A slot that a node serves.
    pub(crate) fn slot_of(&self, node: &NodeAddress) -> Option<Slot> {
        (0..).map_while(Slot::new).find(|&slot| self.owner_of(slot) == Some(node))
    }

    /// The one to believe: with the highest epoch; of several such ones that of the node which took
    /// over slots last, then that with the most slots.
    pub(crate) fn newest(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let rank = |one: &Self| (one.epoch, one.own_epoch, one.owners.iter().flatten().count());
        all.into_iter().reduce(|best, one| if rank(&one) > rank(&best) { one } else { best })
    }
}

/// The address of a redirection, `host:port`, by the node at the address `asked`.
pub(crate) fn redirected(text: &str, asked: &NodeAddress) -> Option<NodeAddress> {
    let (host, port) = text.rsplit_once(':')?;
    let is_unknown = host.is_empty() || host == "?";
    NodeAddress::new(if is_unknown { asked.host() } else { host }, port.parse().ok()?)
}

#[derive(Default)]
struct NodeList {
    nodes: Vec<NodeAddress>,
    indices: HashMap<NodeAddress, u16>,
}

impl NodeList {
    fn index_of(&mut self, node: NodeAddress) -> Option<u16> {
        if let Some(index) = self.indices.get(&node) {
            return Some(*index);
        }
        let index = u16::try_from(self.nodes.len()).ok()?;
        self.indices.insert(node.clone(), index);
        self.nodes.push(node);
        Some(index)
    }
}

/// Slots from first to last, their master and its replicas.
struct Range<'a> {
    first: usize,
    last: usize,
    nodes: &'a [Value],
}

impl<'a> Range<'a> {
    fn read(value: &'a Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [Value::Int(first), Value::Int(last), nodes @ ..] = &parts[..] else { return None };
        let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
        (first <= last && last < Slot::COUNT && !nodes.is_empty()).then_some(Self {
            first,
            last,
            nodes,
        })
    }
}

/// Of a node with its preferred endpoint, port, id, and metadata since Redis 7. An endpoint of null
/// stands for the host that was asked. So does `?`, for a name that a node lacks, unless there is
/// its IP address.
fn address_of(node: &Value, asked: &NodeAddress) -> Option<NodeAddress> {
    let Value::Array(parts) = node else { return None };
    let [endpoint, Value::Int(port), rest @ ..] = &parts[..] else { return None };
    let metadata = |name| named(rest.get(1)?, name).filter(|host| !matches!(*host, "" | "?"));
    let host = match endpoint.as_text() {
        None | Some("") => None,
        Some("?") => metadata("hostname").or_else(|| metadata("ip")),
        endpoint => endpoint,
    };
    NodeAddress::new(host.unwrap_or(asked.host()), u16::try_from(*port).ok()?)
}

/// A value of a map, which RESP2 writes as a list.
fn named<'a>(metadata: &'a Value, name: &str) -> Option<&'a str> {
    match metadata {
        Value::Map(entries) => {
            let entry = entries.iter().find(|(key, _)| key.as_text() == Some(name));
            entry.and_then(|(_, value)| value.as_text())
        }
        Value::Array(list) => {
            let entry = list.chunks_exact(2).find(|entry| entry[0].as_text() == Some(name));
            entry.and_then(|entry| entry[1].as_text())
        }
        _ => None,
    }
}
