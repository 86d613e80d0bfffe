use super::*;

#[test]
fn a_loss_is_recorded_once_and_not_after_the_release() {
    let observations = Observations::default();
    let mut times = 0;
    observations.report_loss(|| times += 1);
    observations.report_loss(|| times += 1);
    observations.report_release(|| {});
    assert!(observations.is_lost() && times == 1);
    let observations = Observations::default();
    observations.report_release(|| {});
    observations.report_loss(|| times += 1);
    assert!(!observations.is_lost() && times == 1);
}
