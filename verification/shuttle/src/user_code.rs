//! In the place of the runtime's module of this name: no waker here is code of a user's.

pub(crate) mod wakers {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    pub(crate) fn guarded(waker: &Waker) -> Waker {
        waker.clone()
    }

    pub(crate) fn poll_guarded<F: Future>(
        future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        future.poll(context)
    }

    pub(crate) async fn with_guarded<F: Future>(future: F) -> F::Output {
        future.await
    }
}
