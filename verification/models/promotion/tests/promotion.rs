//! The right protocol, in all states of each configuration, and wrong ones, each with the property
//! that it violates.

use std::time::Instant;

use promotion_model::server::TTL;
use promotion_model::{Promotion, Variant};
use stateright::{Checker, HasDiscoveries, Model};

const SMALL: Promotion = Promotion::SMALL;

/// Visits every state, and expects every property.
fn holds(name: &str, model: Promotion) {
    let start = Instant::now();
    let checker =
        model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, took) = (checker.unique_state_count(), start.elapsed());
    println!("{name}: {states} states in {took:.1?}");
    checker.assert_properties();
}

/// Finds a violation of this property.
fn violates(property: &'static str, model: Promotion) {
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().threads(2).finish_when(found).spawn_bfs().join();
    let states = checker.unique_state_count();
    let found = checker.discoveries();
    let path = found.get(property).unwrap_or_else(|| {
        panic!("{:?}: no violation of '{property}' in {states} states", model.variant)
    });
    println!("{:?}: {states} states, {:?}", model.variant, path.clone().into_actions());
}

#[test]
fn a_lossy_promotion_keeps_the_order_of_tokens() {
    holds("grace", SMALL);
}

#[test]
fn without_a_loss_exclusion_is_exact() {
    holds("nothing lost", Promotion { lossy: false, ..SMALL });
}

#[test]
fn the_strict_grace_excludes_holders_that_are_cut_off() {
    holds("strict grace", Promotion { grace: TTL, ..SMALL });
}

#[test]
fn an_empty_replica_waits_for_the_longest_lease() {
    holds("empty", Promotion { empty: true, ..SMALL });
}

#[test]
#[ignore = "takes a minute"]
fn what_a_master_grants_that_stood_still_is_not_shown() {
    holds("old master stands still", Promotion { stands_still: true, ..SMALL });
}

#[test]
fn tokens_that_are_known_are_exceeded_without_a_clock() {
    holds("clock behind", Promotion { clock_behind: true, ..SMALL });
}

#[test]
#[ignore = "takes a minute"]
fn the_old_master_grants_only_tokens_below() {
    holds("old master goes on", Promotion { stale: true, ..SMALL });
}

#[test]
#[ignore = "takes a minute"]
fn no_stale_grant_is_shown_with_confirmed_grants() {
    holds("confirmed", Promotion { stale: true, confirm: true, ..SMALL });
}

/// A promoted master that misses a release and the grant after it has the older hold. The token of
/// the later one proves that it had ended, if its master drew no token after the promotion.
#[test]
fn an_older_hold_may_be_replaced_if_the_old_master_is_dead() {
    let model = Promotion { variant: Variant::ReclaimReplacesOlder, ..SMALL };
    holds("older hold replaced", model);
}

/// Each client asks twice, so that one may have the key again while an older hold is in its place.
#[test]
#[ignore = "takes several minutes"]
fn two_requests_of_each_client() {
    holds("two requests", Promotion { requests: 2, ..SMALL });
}

#[test]
fn not_promised_a_holder_that_is_cut_off_overlaps_after_the_plain_grace() {
    let wrong = Promotion { promise_all: true, ..SMALL };
    violates("holders exclude each other", wrong);
}

#[test]
fn not_promised_an_old_master_that_goes_on_overlaps_even_after_the_strict_grace() {
    let wrong = Promotion { promise_all: true, stale: true, grace: TTL, ..SMALL };
    violates("holders exclude each other", wrong);
}

macro_rules! mutants {
    ($($(#[$attribute:meta])? $test:ident: $variant:ident, $property:literal, $model:expr;)*) => {$(
        #[test]
        $(#[$attribute])?
        fn $test() {
            violates($property, Promotion { variant: Variant::$variant, ..$model });
        }
    )*};
}

mutants! {
    no_jump: NoJump, "tokens rise across promotions", SMALL;
    reclaim_without_mark: ReclaimWithoutMark, "a re-claim is alone", SMALL;
    reclaim_after_draw: ReclaimAfterDraw, "a re-claim is alone", SMALL;
    reclaim_forgotten: ReclaimForgotten, "tokens of a master rise",
        Promotion { clock_behind: true, ..SMALL };
    reclaim_replaces: ReclaimReplaces, "a re-claim is alone", SMALL;
    reclaim_replaces_what_was_renewed: ReclaimReplacesOlder,
        "holders by one master exclude each other", Promotion { stale: true, ..SMALL };
    #[ignore = "takes a minute"]
    reclaim_ignores_tombstone: ReclaimIgnoresTombstone, "ended holds do not come back",
        Promotion { mishaps: 1, ..SMALL };
    grace_skipped: GraceSkipped, "holders exclude each other", Promotion { grace: TTL, ..SMALL };
    promotion_as_migration: PromotionAsMigration, "holders exclude each other",
        Promotion { grace: TTL, ..SMALL };
    wait_of_another_master: WaitOfAnotherMaster, "holders exclude each other",
        Promotion { grace: TTL, masters: 3, ..SMALL };
    opened_twice: OpenedTwice, "a re-claim is alone", SMALL;
    draw_not_undone: DrawNotUndone, "tokens of a master rise", SMALL;
    releases_not_repeated: ReleasesNotRepeated, "ended holds do not come back", SMALL;
    release_of_old_connection: ReleaseOfOldConnection, "ended holds do not come back",
        Promotion { mishaps: 1, ..SMALL };
    old_master_again: OldMasterAgain, "tokens rise across promotions",
        Promotion { clients: 1, lossy: false, stale: true, mishaps: 2, more_draws: 40, ..SMALL };
    late_grant_shown: LateGrantShown, "no late grant is shown",
        Promotion { stands_still: true, ..SMALL };
    validity_from_reply: ValidityFromReply, "holders exclude each other",
        Promotion { lossy: false, ..SMALL };
}
