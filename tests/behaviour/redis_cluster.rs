//! A Redis Cluster: its nodes, their addresses and the rights that a user needs on them.

mod connecting;
