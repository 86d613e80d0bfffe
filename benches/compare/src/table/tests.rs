use super::*;

#[test]
fn columns_line_up() {
    let mut table = Table::new(&["who", "µs"]);
    table.add(vec!["distlock".into(), "9".into()]);
    table.add(vec!["x".into()]);
    let text = "| who      | µs |\n| -------- | -- |\n| distlock | 9  |\n| x        |    |\n";
    assert_eq!(table.to_string(), text);
}

#[test]
fn numbers_have_as_many_digits_as_they_need() {
    let numbers = [0.0, 1.234, 45.67, 678.9, 1_234.5, 1_234_567.0].map(number);
    assert_eq!(numbers, ["0.00", "1.23", "45.7", "679", "1,234", "1,234,567"]);
    assert_eq!(number(f64::INFINITY), "-");
}
