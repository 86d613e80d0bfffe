use super::*;

#[test]
fn a_suite_of_schedules_gets_their_number_and_first_seed() {
    let effort = Effort { from: 7, simulated: 100, real: 3 };
    let simulation = Suite::Sim.run(effort).join(" ");
    assert!(simulation.ends_with("--schedules 100 --from 7"));
    assert!(Suite::Chaos.run(effort).join(" ").ends_with("--schedules 3 --from 7"));
    assert_eq!(Suite::Chaos.schedules(effort), Some(3));
    assert_eq!(Suite::Parity.schedules(effort), None);
}

#[test]
fn a_suite_reads_its_own_output() {
    let line = "violation: seed 1, property p, after 1 schedules";
    assert!(matches!(Suite::Sim.read(false, line), Outcome::Detected(_)));
    assert_eq!(Suite::Parity.read(false, line), Outcome::Unclear);
}
