//! The protocol against a byzantine server: any reply, to any call, any number of times. Only what
//! was granted to a request is shown as its hold, for no longer than the server keeps it, and
//! nothing is left at the end.
//!
//! `PROPTEST_CASES` sets how many sequences each test tries.

pub(crate) mod steps;
pub(crate) mod world;

use proptest::prelude::*;

use crate::protocol::tests::byzantine::steps::{Step, any_step, honest_step};
use crate::protocol::tests::byzantine::world::World;
use crate::wire::tests::config;

const CASES: u32 = 500;

fn drive(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for step in steps {
        world.step(step)?;
    }
    world.wind_up()
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn no_lie_makes_a_hold_and_nothing_is_left_of_it(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        drive(&steps)?;
    }

    #[test]
    fn a_server_that_lies_now_and_then_makes_no_hold_either(
        steps in prop::collection::vec(prop_oneof![20 => honest_step(), 1 => any_step()], 1..80),
    ) {
        drive(&steps)?;
    }
}
