//! What the nodes answer to each call while a slot is being migrated.

use redis::ConnectionLike as _;

use super::*;
use crate::backend::redis::errors::call_error;
use crate::backend::redis::value::tests::error_of;

/// Two nodes, one key of the first one, and a process on both.
struct Migration {
    all: Cluster,
    key: String,
    old: Client,
    new: Client,
    fence: Fence,
}

impl Migration {
    /// Request 1 has the key.
    fn new() -> Self {
        Self::on(Cluster::bare(3).unwrap())
    }

    fn on(all: Cluster) -> Self {
        let key = keys_of(&all, 0, 1).remove(0);
        let (mut old, new) = (Client::connect(&all, 0, "a"), Client::connect(&all, 1, "a"));
        let fence = old.grant(1, &key).first;
        Self { all, key, old, new, fence }
    }

    fn number(&self) -> u16 {
        slot(&self.key).number()
    }

    /// Each call that declares all keys of the lock.
    fn whole_calls(&self) -> Vec<Command> {
        let (key, client) = (&*self.key, &self.old);
        let waiter = Renewal::Waiter { key: key.into(), id: id(2), lease: WAITER_LEASE };
        let all = vec![client.acquire(3, key)];
        let lost = LostHold { first: self.fence, masters: [Mark::default(); 2] };
        vec![
            Command::Acquire(client.acquire(2, key)),
            client.queued(2, key),
            Command::AcquireAll(all),
            Command::Renew(vec![waiter]),
            Command::Reclaim(client.acquire(1, key), lost),
            Command::Inspect { key: key.into(), limit: 1 },
            Command::Cancel {
                request: request(2, key),
                fence: Fence::ZERO,
                tombstone: TTL,
                keep: Duration::ZERO,
            },
            release(1, key, false),
            release(1, key, true),
        ]
    }

    /// The whole calls are refused by a node, which does nothing of them.
    fn check_whole(&mut self, on_new: bool, expected: impl Fn(&CommandError) -> bool) {
        for command in self.whole_calls() {
            let node = if on_new { &mut self.new } else { &mut self.old };
            let command = if on_new { asking(command) } else { command };
            let error = node.ask(command.clone()).unwrap_err();
            assert!(expected(&error), "{command:?}: {error:?}");
        }
    }

    fn renew_old(&mut self) -> NodeAnswer {
        self.old.ask(renew(1, &self.key, self.fence))
    }

    fn renew_asking(&mut self) -> RenewalReply {
        renewed(self.new.ask(asking(renew(1, &self.key, self.fence))))
    }

    fn redirect(&self, node: usize) -> Redirect {
        redirect(&self.all, slot(&self.key), node)
    }
}

fn is_open(error: &CommandError) -> bool {
    matches!(error, CommandError::TryAgain(words) if words.starts_with("TRYAGAIN"))
}

#[test]
fn in_an_open_slot_holds_are_renewed_and_all_else_waits() {
    let mut it = Migration::new();
    let (key, number) = (it.key.clone(), it.number());
    it.all.begin_migration(number, 1);

    // Nothing is moved.
    it.check_whole(false, is_open);
    it.check_whole(true, is_open);
    assert_eq!(renewed(it.renew_old()), RenewalReply::Renewed);
    assert_eq!(it.renew_asking(), RenewalReply::NotHeld, "the key is not there");
    let moved = Err(CommandError::Moved(it.redirect(0)));
    assert_eq!(it.new.ask(renew(1, &key, it.fence)), moved, "nobody asked");

    // The hold is moved, the tokens are not.
    let name = space().hold(&key);
    let port = it.all.node(1).port().to_string();
    it.all.node(0).command(&["MIGRATE", "127.0.0.1", &port, &name, "0", "1000"]);
    let asked = CommandError::Asked(it.redirect(1));
    // A waiter that is refreshed needs no tokens: none of its keys is here.
    it.check_whole(false, |error| is_open(error) || *error == asked);
    it.check_whole(true, is_open);
    assert_eq!(it.renew_old(), Err(asked));
    assert_eq!(it.renew_asking(), RenewalReply::Renewed);

    // All is moved. No call has made a key that is in the way.
    it.all.migrate_keys(number, 1);
    let asked = CommandError::Asked(it.redirect(1));
    it.check_whole(false, |error| *error == asked);
    it.check_whole(true, is_open);
    assert_eq!(it.renew_old(), Err(asked));
    assert_eq!(it.renew_asking(), RenewalReply::Renewed);
    let subscribed = it.new.ask(Command::Subscribe(slot(&key)));
    assert_eq!(subscribed, Err(CommandError::Moved(it.redirect(0))));

    // The slot is the new node's.
    it.all.end_migration(number, 1);
    let moved = CommandError::Moved(it.redirect(1));
    it.check_whole(false, |error| *error == moved);
    assert_eq!(it.renew_old(), Err(moved));
    assert_eq!(renewed(it.new.ask(renew(1, &key, it.fence))), RenewalReply::Renewed);
    assert_eq!(it.new.ask(release(1, &key, false)), Ok(Reply::Released(true)));
}

#[test]
fn renewals_of_several_holds_wait_where_one_alone_follows_its_key() {
    let mut it = Migration::new();
    let (key, number) = (it.key.clone(), it.number());
    let other = format!("{{{key}}}other");
    let fence = it.old.grant(2, &other).first;
    it.all.begin_migration(number, 1);
    let name = space().hold(&other);
    let port = it.all.node(1).port().to_string();
    it.all.node(0).command(&["MIGRATE", "127.0.0.1", &port, &name, "0", "1000"]);
    let hold = |number, key: &str, fence| Renewal::Hold {
        key: key.into(),
        id: id(number),
        fence,
        ttl: TTL,
    };
    let both = Command::Renew(vec![hold(1, &key, it.fence), hold(2, &other, fence)]);
    assert!(it.old.ask(both.clone()).is_err_and(|error| is_open(&error)));
    assert!(it.new.ask(asking(both)).is_err_and(|error| is_open(&error)));
    assert_eq!(renewed(it.renew_old()), RenewalReply::Renewed);
    let asked = it.new.ask(asking(renew(2, &other, fence)));
    assert_eq!(renewed(asked), RenewalReply::Renewed);
}

#[test]
fn the_tokens_of_a_migrated_slot_are_opened_without_a_pause() {
    let mut it = Migration::new();
    let (key, number) = (it.key.clone(), it.number());
    it.all.migrate(number, 1);
    let acquire = Command::Acquire(it.new.acquire(2, &key));
    assert_eq!(it.new.ask(release(1, &key, false)), Ok(Reply::Released(true)));
    assert_eq!(it.new.ask(acquire.clone()), Err(CommandError::Unopened));
    // As the protocol sends it.
    let living = [it.old.mark()];
    let outcomes = it.new.ask_all(vec![open(slot(&key), &living), acquire]);
    assert_eq!(outcomes[0], Ok(Reply::Opened));
    let Ok(Reply::Acquire(AcquireReply::Granted(grant))) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert!(grant.fences.first.get() > it.fence.get() + 1_000_000);
    // And back again.
    assert_eq!(it.new.ask(release(2, &key, false)), Ok(Reply::Released(true)));
    it.all.migrate(number, 0);
    let acquire = Command::Acquire(it.old.acquire(3, &key));
    assert_eq!(it.old.ask(acquire), Err(CommandError::Unopened));
    assert_eq!(it.old.ask(open(slot(&key), &[it.new.mark()])), Ok(Reply::Opened));
    assert!(it.old.grant(3, &key).first > grant.fences.last());
}

#[test]
fn a_connection_from_before_its_node_was_promoted_again_opens_nothing() {
    let mut it = Migration::on(Cluster::start().unwrap());
    let (key, number) = (it.key.clone(), it.number());
    assert_eq!(it.old.ask(release(1, &key, false)), Ok(Reply::Released(true)));
    it.all.fail_over(0);
    let promoted = it.all.owner_of(number);
    let mut other = Client::connect(&it.all, promoted, "b");
    assert_eq!(other.ask(open(slot(&key), &[])), Ok(Reply::Opened));
    it.all.node(0).command(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    it.all.wait_for_primary(0);
    it.all.wait_until_settled();
    // A new one does, and its slots are as after a failover.
    let mut again = Client::connect(&it.all, 0, "a");
    assert_ne!(again.mark(), it.old.mark());
    let (before, mut bytes) = (it.old.mark(), Vec::new());
    open(slot(&key), &[]).encode(&space(), before, &mut bytes);
    // The other one may have been replaced before this one has copied from it.
    let (tokens, field) = (space().tokens_in(slot(&key)), before.text());
    let field = std::str::from_utf8(&field).unwrap();
    for copied in [true, false] {
        if !copied {
            it.all.node(0).command(&["DEL", &tokens]);
            it.all.node(0).command(&["HSET", &tokens, field, "1"]);
        }
        let refused = it.all.node(0).connection().req_packed_command(&bytes).unwrap();
        let error = refused.extract_error().unwrap_err();
        let refused = call_error(&error_of(&error));
        assert!(matches!(refused, CommandError::NotPrimary(_)), "{error}");
    }
    assert_eq!(again.ask(open(slot(&key), &[])), Ok(Reply::Opened));
    assert!(again.busy(Command::Acquire(again.acquire(2, &key))).left.is_some());
}

#[test]
fn a_slot_that_is_new_on_a_promoted_master_starts_ahead_of_the_clock() {
    let all = Cluster::start().unwrap();
    let [key, other] = &keys_of(&all, 0, 2)[..] else { panic!("two keys") };
    let before = Client::connect(&all, 0, "a").grant(1, key).first.get();
    all.fail_over(0);
    let promoted = all.owner_of(slot(other).number());
    let mut client = Client::connect(&all, promoted, "b");
    let first = client.grant(2, other).first.get();
    let now = time::unix_ms(time::now()) * 1_000;
    assert!(first > before + 1_000_000, "{first} after {before}");
    assert!(first > now && first < now + 1_002_000, "{first} at {now}");
}

/// Its predecessor may have granted locks in a slot that had just come to it.
#[test]
fn a_slot_that_is_migrated_to_a_promoted_node_is_waited_out_by_those_who_have_just_connected() {
    for (grace, waits) in [(TTL, true), (Duration::ZERO, false)] {
        let it = Migration::on(Cluster::start().unwrap());
        let (key, promoted) = (it.key.clone(), it.all.partner_of(1));
        it.all.fail_over(1);
        it.all.migrate(it.number(), promoted);
        let mut client = Client::connect(&it.all, promoted, "b");
        assert_eq!(client.ask(release(1, &key, false)), Ok(Reply::Released(true)));
        let Command::Open(open) = open(slot(&key), &[it.old.mark()]) else { panic!() };
        let open = Command::Open(OpenTokens { grace: Some(grace), ..open });
        assert_eq!(client.ask(open), Ok(Reply::Opened));
        let acquire = Command::Acquire(client.acquire(2, &key));
        if waits {
            assert_eq!(client.busy(acquire).blocked_by, BlockedBy::Failover);
        } else {
            assert!(client.grant(2, &key).first > it.fence);
        }
    }
}

#[test]
fn a_connection_ends_when_its_node_becomes_a_replica() {
    let mut it = Migration::on(Cluster::start().unwrap());
    it.all.fail_over(0);
    let until = time::now().plus(LIMIT);
    let error = loop {
        // What comes first is that the channels of its slots are gone.
        let received = it.old.pipe.receive().and_then(|_| it.old.pipe.flush());
        match received {
            Err(error) => break error,
            Ok(()) => assert!(time::now() < until, "it stays"),
        }
        wait(Some((it.old.pipe.stream(), Interest::Readable)), &it.old.stop, Some(until));
    };
    assert!(error.to_string().contains("not the same primary any more"), "{error}");
}
