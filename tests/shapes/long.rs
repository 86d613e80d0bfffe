//! A body of ten thousand lines.

use distlock::distributed_lock;

use super::support::{Error, support};

/// Repeats the lines ten times for each mark, then writes the function: the attribute sees all of
/// them.
macro_rules! long {
    ([$mark:tt $($marks:tt)*] $value:ident $($line:tt)*) => {
        long! {
            [$($marks)*] $value
            $($line)* $($line)* $($line)* $($line)* $($line)*
            $($line)* $($line)* $($line)* $($line)* $($line)*
        }
    };
    ([] $value:ident $($line:tt)*) => {
        #[distributed_lock("long:{}", $value)]
        fn long(mut $value: u64) -> Result<u64, Error> {
            $($line)*
            Ok($value)
        }
    };
}

long!([* * * *] value value += 1;);

// 35
#[test]
fn a_function_of_ten_thousand_lines_is_locked() {
    support();
    assert_eq!(long(5).expect("free"), 10_005);
}
