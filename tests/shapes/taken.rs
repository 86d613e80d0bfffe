//! Names that an expansion might use for itself, taken by the code around it.

use super::support::support;

// 80
mod values {
    use super::super::support::Error;

    #[allow(non_upper_case_globals, reason = "names of another file's C header look like this")]
    mod taken {
        pub(super) const site: u32 = 1;
        pub(super) static call: u32 = 2;
        #[allow(non_camel_case_types, reason = "likewise")]
        pub(super) struct output;
        pub(super) fn run() -> u32 {
            4
        }
    }
    use taken::{call, output, run, site};

    #[distlock::distributed_lock("taken:{site}:{call}", hold = hold)]
    pub(super) fn locked() -> Result<(u32, String), Error> {
        let _: output = output;
        Ok((site + call + run(), hold.key().to_owned()))
    }

    #[distlock::distributed_lock("taken:{site}:{call}")]
    pub(super) async fn locked_async() -> Result<u32, Error> {
        tokio::task::yield_now().await;
        let _: output = output;
        Ok(site + call + run())
    }

    #[distlock::distributed_lock("taken:{site}:{call}", if_busy = skip)]
    pub(super) fn made() -> futures::future::BoxFuture<'static, Result<(), Error>> {
        Box::pin(async {
            let output = output;
            Ok(())
        })
    }
}

#[tokio::test]
async fn statics_constants_and_unit_structs_have_any_name() {
    support();
    assert_eq!(values::locked().expect("free"), (7, "taken:1:2".to_owned()));
    assert_eq!(values::locked_async().await.expect("free"), 7);
    assert!(values::made().await.is_ok());
}

// 81
mod prelude {
    #![allow(dead_code, non_camel_case_types, reason = "there only to be in the way")]

    pub(super) enum Verdict {
        Ok(u32),
        Err(u32),
    }
    pub(super) use Verdict::{Err, Ok};
    pub(super) type Result<T> = ::std::result::Result<T, distlock::LockError>;
    pub(super) struct Option;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Box;
    pub(super) struct String;
    pub(super) trait Future {}
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) trait Fn {}
    pub(super) trait FnOnce {}
    pub(super) trait AsyncFnOnce {}
    pub(super) trait From {}
    pub(super) trait Into {}
    pub(super) trait Drop {}
    pub(super) struct u32_;
    pub(super) mod std {}
    pub(super) mod alloc {}
    pub(super) mod core {}
    pub(super) mod distlock_runtime {}

    #[distlock::distributed_lock("taken:prelude", wait = "1s", ttl = "30s")]
    pub(super) fn locked(value: u32) -> Result<Verdict> {
        Result::Ok(if value > 1 { Ok(value) } else { Err(value) })
    }

    #[distlock::distributed_lock("taken:prelude", on_error = panic, hold = hold)]
    pub(super) async fn locked_async(value: u32) -> Verdict {
        tokio::task::yield_now().await;
        if hold.is_valid() { Ok(value) } else { Err(value) }
    }

    #[distlock::distributed_lock("taken:prelude", on_error = panic)]
    pub(super) fn made(value: u32) -> impl ::core::future::Future<Output = Verdict> + Unpin {
        ::core::future::ready(Ok(value))
    }
}

#[tokio::test]
async fn the_preludes_names_mean_what_the_user_says() {
    support();
    assert!(matches!(prelude::locked(1).expect("free"), prelude::Err(1)));
    assert!(matches!(prelude::locked_async(2).await, prelude::Ok(2)));
    assert!(matches!(prelude::made(3).await, prelude::Ok(3)));
}

// 82
mod macros {
    use super::super::support::Error;

    #[allow(unused_macros, reason = "there only to be in the way")]
    macro_rules! format_args {
        ($($any:tt)*) => {
            compile_error!("the user's own macro")
        };
    }
    #[allow(unused_macros, reason = "there only to be in the way")]
    macro_rules! concat {
        ($($any:tt)*) => {
            compile_error!("the user's own macro")
        };
    }
    macro_rules! module_path {
        () => {
            "the user's own macro"
        };
    }
    #[allow(unused_macros, reason = "there only to be in the way")]
    macro_rules! file {
        () => {
            compile_error!("the user's own macro")
        };
    }
    #[distlock::distributed_lock("taken:macros:{id}")]
    pub(super) fn locked(id: u32) -> Result<String, Error> {
        Ok(id.to_string() + module_path!())
    }
}

#[test]
fn macros_have_any_name() {
    support();
    assert_eq!(macros::locked(1).expect("free"), "1the user's own macro");
}

// 83
struct Typed<P>(P);

trait Yields {
    type Output;
    fn output(&self) -> Self::Output;
}

impl<R: Clone> Yields for Typed<R> {
    type Output = std::io::Result<R>;

    #[distlock::distributed_lock("taken:generics")]
    fn output(&self) -> Self::Output {
        Ok(self.0.clone())
    }
}

impl<P: Copy> Typed<P> {
    #[distlock::distributed_lock("taken:generics")]
    async fn apply<R, F, M>(&self, f: F) -> std::io::Result<(R, Option<M>)>
    where
        F: AsyncFnOnce(P) -> R,
    {
        Ok((f(self.0).await, None))
    }
}

#[tokio::test]
async fn type_parameters_and_associated_types_have_any_name() {
    support();
    assert_eq!(Typed(1).output().expect("free"), 1);
    let (applied, nothing) = Typed(1).apply::<_, _, u8>(async |n| n + 1).await.expect("free");
    assert_eq!((applied, nothing), (2, None));
}

// 84
const LOCKED_FN: &str = "outer";
const COUNT: usize = 2;

#[distlock::distributed_lock("taken:{LOCKED_FN}:{COUNT}", hold = hold)]
fn constants() -> std::io::Result<(String, [u8; COUNT])> {
    const COUNT: usize = 5;
    static LOCKED_FN: [u8; 2] = [1, 2];
    assert_eq!(LOCKED_FN.len() + COUNT, 7);
    Ok((hold.key().to_owned(), LOCKED_FN))
}

#[test]
fn key_and_body_may_mean_different_constants_by_one_name() {
    support();
    assert_eq!(constants().expect("free"), ("taken:outer:2".to_owned(), [1, 2]));
}

// 85
#[distlock::distributed_lock("größe:{ключ}:{größe}", hold = hold)]
fn größe_von<Überbau: Default>(
    ключ: u32, größe: u32
) -> std::io::Result<(String, Überbau)> {
    Ok((hold.key().to_owned(), Überbau::default()))
}

#[test]
fn names_are_written_in_any_script() {
    support();
    let (key, unit) = größe_von::<u8>(1, 2).expect("free");
    assert_eq!((key.as_str(), unit), ("größe:1:2", 0));
}

// 86
struct Raw {
    r#gen: u32,
}

impl Raw {
    #[distlock::distributed_lock(
        "taken:{gen}:{try}:{}",
        self.r#gen,
        gen = self.r#gen,
        hold = r#dyn
    )]
    async fn r#async<'r#for>(&self, r#try: &'r#for str) -> std::io::Result<(String, &'r#for str)> {
        tokio::task::yield_now().await;
        Ok((r#dyn.key().to_owned(), r#try))
    }
}

#[tokio::test]
async fn names_that_became_keywords_are_written_raw() {
    support();
    let (key, text) = Raw { r#gen: 1 }.r#async("x").await.expect("free");
    assert_eq!((key.as_str(), text), ("taken:1:x:1", "x"));
}
