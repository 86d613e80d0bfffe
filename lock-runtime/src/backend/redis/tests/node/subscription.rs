//! Notifications through the channels of slots, on the connection of the calls.

use super::*;

#[test]
fn a_waiter_is_granted_a_lock_through_the_channel_of_its_slot() {
    let all = Cluster::bare(3).unwrap();
    let key = keys_of(&all, 0, 2).remove(1);
    let (mut first, mut second) = (Client::connect(&all, 0, "a"), Client::connect(&all, 0, "b"));
    first.grant(1, &key);
    // As the protocol sends them.
    let subscribe = Command::Subscribe(slot(&key));
    let outcomes = first.ask_all(vec![subscribe.clone(), renew(1, &key, Fence::ZERO)]);
    assert_eq!(outcomes[0], Ok(Reply::Subscribed));
    let queued = second.queued(2, &key);
    let outcomes = second.ask_all(vec![subscribe, queued]);
    assert_eq!(outcomes[0], Ok(Reply::Subscribed));
    assert!(matches!(outcomes[1], Ok(Reply::Acquire(AcquireReply::Busy(_)))));
    first.receive_until(|client| client.notified == [Notification::Contended(id(1))]);
    assert_eq!(first.ask(release(1, &key, true)), Ok(Reply::Released(true)));
    second.receive_until(|client| !client.notified.is_empty());
    let Notification::Granted(request, fences) = second.notified[0] else {
        panic!("{:?}", second.notified)
    };
    assert_eq!(request, id(2));
    assert_eq!(renewed(second.ask(renew(2, &key, fences.first))), RenewalReply::RenewedContended);
}

#[test]
fn a_process_that_does_not_listen_in_the_slot_is_passed_over() {
    let all = Cluster::bare(3).unwrap();
    let key = keys_of(&all, 0, 2).remove(1);
    let (mut first, mut second) = (Client::connect(&all, 0, "a"), Client::connect(&all, 0, "b"));
    first.grant(1, &key);
    let queued = second.queued(2, &key);
    assert!(second.busy(queued).ticket.is_some());
    assert_eq!(first.ask(release(1, &key, true)), Ok(Reply::Released(true)));
    second.grant(2, &key);
}

#[test]
fn what_goes_together_is_of_one_slot() {
    let all = Cluster::bare(3).unwrap();
    let mut client = Client::connect(&all, 0, "a");
    let tags = keys_of(&all, 0, 20);
    let keys: Vec<_> =
        tags.iter().flat_map(|tag| (0..4).map(move |n| format!("{{{tag}}}{n}"))).collect();
    let acquires = |client: &Client| -> Vec<_> {
        let number = |n: usize| u8::try_from(n).unwrap();
        let one = |(n, key): (usize, &String)| client.acquire(number(n), key);
        keys.iter().enumerate().map(one).collect()
    };
    for _ in 0..2 {
        // The first ones open the tokens of their slot, as alone.
        let asked = acquires(&client);
        let outcomes = client.ask_all(asked.iter().cloned().map(Command::Acquire).collect());
        for (acquire, outcome) in asked.into_iter().zip(outcomes) {
            let alone = Acquire { likely_free: false, ..acquire };
            let granted = match outcome {
                Err(CommandError::NotBatchable) => client.ask(Command::Acquire(alone)),
                outcome => outcome,
            };
            assert!(matches!(granted, Ok(Reply::Acquire(AcquireReply::Granted(_)))), "{granted:?}");
        }
        let releases = (0..).zip(&keys).map(|(number, key)| release(number, key, false));
        let outcomes = client.ask_all(releases.collect());
        assert!(outcomes.iter().all(|outcome| *outcome == Ok(Reply::Released(true))));
    }
    let together = keys.iter().take(4).zip(0..).map(|(key, number)| client.acquire(number, key));
    let together = Command::AcquireAll(together.collect());
    let outcome = client.ask(together);
    assert!(matches!(outcome, Ok(Reply::AcquiredAll(Some(_)))), "{outcome:?}");
}

/// As two callers send them at one time: each key is released before it is asked for again, be it
/// alone in its slot or with another one.
#[test]
fn a_batch_releases_each_key_before_it_acquires_it_again() {
    let all = Cluster::bare(3).unwrap();
    let mut client = Client::connect(&all, 0, "a");
    let mut keys = keys_of(&all, 0, 3);
    keys.push(format!("{{{}}}other", keys[2]));
    let number = |n: usize| u8::try_from(n).unwrap();
    for (n, key) in keys.iter().enumerate() {
        client.grant(number(n), key);
    }
    let mut batch: Vec<_> =
        keys.iter().enumerate().map(|(n, key)| release(number(n), key, false)).collect();
    for (n, key) in keys.iter().enumerate() {
        let again = Acquire { likely_free: n % 2 == 0, ..client.acquire(number(n + 4), key) };
        batch.push(Command::Acquire(again));
    }
    for (at, outcome) in client.ask_all(batch).into_iter().enumerate() {
        let is_done = match outcome {
            Ok(Reply::Released(held)) => held && at < 4,
            Ok(Reply::Acquire(AcquireReply::Granted(_))) => at >= 4,
            _ => false,
        };
        assert!(is_done, "{at}: {outcome:?}");
    }
}

/// Slots that leave a node take their subscriptions with them: a push for each, in the middle of
/// the replies to commands in flight. Each reply names the request that it is about.
#[test]
fn no_push_of_a_subscription_that_ends_is_the_reply_to_a_command() {
    let all = Cluster::bare(3).unwrap();
    let mut client = Client::connect(&all, 0, "a");
    let mut keys = keys_of(&all, 0, 364);
    let slots: Vec<_> = keys.split_off(64).iter().map(|key| slot(key)).collect();
    let numbers: Vec<_> = slots.iter().map(|slot| slot.number()).collect();
    let fences: Vec<_> = (0..).zip(&keys).map(|(n, key)| client.grant(n, key).first).collect();
    let look = |key: &String| Command::Inspect { key: key.as_str().into(), limit: 0 };
    for _ in 0..3 {
        let subscribe = slots.iter().copied().map(Command::Subscribe).collect();
        for outcome in client.ask_all(subscribe) {
            assert_eq!(outcome, Ok(Reply::Subscribed));
        }
        client.notified.clear();
        std::thread::scope(|scope| {
            let away = scope.spawn(|| all.reshard(&numbers, 1));
            let mut rounds = 0;
            while !away.is_finished() || rounds < 50 {
                rounds += 1;
                let commands = keys.iter().map(look).collect();
                for (number, outcome) in (0..).zip(client.ask_all(commands)) {
                    let Ok(Reply::Inspection(seen)) = outcome else { panic!("{outcome:?}") };
                    let holder = seen.holder.unwrap();
                    assert_eq!(
                        (holder.id, holder.fence),
                        (id(number), fences[usize::from(number)])
                    );
                }
            }
            away.join().unwrap();
        });
        let count = slots.len();
        client.receive_until(|client| client.notified.len() == count);
        for slot in &slots {
            assert!(client.notified.contains(&Notification::Unsubscribed(*slot)));
        }
        let refused = client.ask(Command::Subscribe(slots[0]));
        assert_eq!(refused, Err(CommandError::Moved(redirect(&all, slots[0], 1))));
        all.reshard(&numbers, 0);
    }
}

#[test]
fn a_longer_lease_is_heard_of_by_all_processes_whatever_node_it_is_announced_to() {
    let all = Cluster::bare(3).unwrap();
    let longest = lease_steps().next_back().unwrap();
    let mut heard: Vec<_> = (0..3).map(|node| Client::connect(&all, node, "a")).collect();
    for node in 0..3 {
        let mut client = Client::connect(&all, node, "b");
        assert_eq!(client.ask(Command::RaiseMaxLease(longest)), Ok(Reply::MaxLeaseRaised));
        for client in &mut heard {
            client
                .receive_until(|client| client.notified.contains(&Notification::MaxLease(longest)));
            client.notified.clear();
        }
        assert_eq!(Client::connect(&all, node, "c").pipe.max_lease(), longest);
    }
}

#[test]
fn a_user_who_may_not_run_a_command_of_a_cluster_is_told_at_connect() {
    let all = Cluster::bare(3).unwrap();
    for (denied, missing) in [
        ("-ssubscribe", "+ssubscribe"),
        ("-spublish", "+spublish"),
        ("-pubsub|shardnumsub", "+pubsub|shardnumsub"),
    ] {
        all.node(0).command(&["ACL", "SETUSER", "default", denied]);
        let error = Client::try_connect(&all, 0, "a").err().unwrap();
        assert!(error.contains(&format!("lacks {missing};")), "{error}");
        let granted = missing.to_owned();
        all.node(0).command(&["ACL", "SETUSER", "default", &granted]);
    }
}
