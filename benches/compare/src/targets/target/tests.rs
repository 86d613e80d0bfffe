use super::*;

fn side(figures: [f64; 3], cpu: [f64; 3]) -> Side {
    Side { figures: figures.to_vec(), cpu: cpu.to_vec() }
}

fn pair_side() -> Side {
    side([9.0, 16.0, 33.0], [6.0, 6.0, 6.0])
}

fn pair(bound: Bound, cpu_bound: f64) -> Target {
    let raw = side([10.0, 20.0, 30.0], [5.0, 5.0, 5.0]);
    let target = Target::beside("pair, µs", &pair_side(), ("raw", &raw), bound);
    Target { cpu_bound: Some(cpu_bound), ..target }
}

#[test]
fn the_ratio_is_the_median_of_the_rounds() {
    let target = pair(Bound::AtMost(0.95), 1.2);
    assert!(target.is_met());
    assert_eq!(
        target.cells(),
        [
            "pair, µs",
            "16.0",
            "raw 20.0",
            "0.90 (0.80 to 1.10)",
            "≤ 0.95, CPU ≤ 1.2",
            "met",
            "6.00 / 5.00 = 1.20"
        ]
    );
}

#[test]
fn time_and_cpu_time_have_to_be_within_their_bounds() {
    let result = |target: Target| (target.is_met(), target.cells()[5].clone());
    assert_eq!(result(pair(Bound::AtMost(0.89), 1.2)), (false, "not met".to_owned()));
    assert_eq!(result(pair(Bound::AtMost(0.95), 1.1)), (false, "not met: CPU".to_owned()));
    assert_eq!(result(pair(Bound::Below(0.9), 1.1)), (false, "not met: both".to_owned()));
    assert_eq!(result(pair(Bound::AtLeast(0.9), 1.2)), (true, "met".to_owned()));
    assert_eq!(result(pair(Bound::Above(0.9), 1.2)), (false, "not met".to_owned()));
}

#[test]
fn a_round_without_a_figure_of_the_reference_does_not_count() {
    let raw = side([0.0, f64::NAN, 10.0], [f64::NAN, 5.0, 5.0]);
    let target = Target::beside("", &pair_side(), ("raw", &raw), Bound::AtMost(3.3));
    assert_eq!(target.cells()[3], "3.30 (3.30 to 3.30)");
    let nothing = Side::from(vec![f64::NAN; 3]);
    let target = Target::beside("", &pair_side(), ("raw", &nothing), Bound::AtMost(9.0));
    assert!(!target.is_met());
}

#[test]
fn a_figure_without_a_reference_is_bounded_itself() {
    let target = |bound| Target::alone("bytes", vec![3.0, 1.0, 2.0], Bound::AtMost(bound));
    assert!(target(2.0).is_met());
    assert!(!target(1.9).is_met());
    assert_eq!(target(2.0).cells()[1..5], ["2.00", "-", "-", "≤ 2"]);
}
