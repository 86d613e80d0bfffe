use super::*;

#[test]
fn a_gate_refuses_what_is_lower_and_admits_the_same_again() {
    let gate = FenceGate::new();
    assert_eq!(gate.admit(Fence::new(7)), Ok(()));
    assert_eq!(gate.admit(Fence::new(7)), Ok(()));
    let refused = gate.admit(Fence::new(6)).expect_err("lower");
    assert_eq!((refused.fence, refused.highest), (Fence::new(6), Fence::new(7)));
    assert!(refused.to_string().contains("older than 7"));
    assert_eq!(format!("{refused:?}"), format!("StaleFence: {refused}"));
    let pretty = format!("{refused:#?}");
    assert!(
        pretty.starts_with("StaleFence {\n    fence: Fence(")
            && pretty.contains("\n    highest: Fence("),
        "{pretty}"
    );
    assert_eq!(gate.admit(Fence::new(8)), Ok(()));
}
