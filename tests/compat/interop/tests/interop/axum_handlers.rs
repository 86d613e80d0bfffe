use std::rc::Rc;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{StatusCode, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use distlock::{LockError, LockManager, distributed_lock};
use tower::ServiceExt as _;

use super::support::{assert_released, held, locks, support};

/// What an axum user writes: made from a lock error, and turned into a response.
enum Failure {
    Busy,
    Lock(LockError),
    Refused(&'static str),
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy(_) => Self::Busy,
            error => Self::Lock(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Busy => StatusCode::CONFLICT.into_response(),
            Self::Lock(error) => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
            }
            Self::Refused(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        }
    }
}

#[derive(Clone)]
struct Shop {
    name: Arc<str>,
    locks: LockManager,
}

#[distributed_lock("axum:get:{id}", wait = "0s")]
async fn read(Path(id): Path<u32>) -> Result<String, Failure> {
    tokio::task::yield_now().await;
    if id == 0 {
        return Err(Failure::Refused("zero"));
    }
    Ok(held().unwrap_or_default())
}

#[distributed_lock("axum:put:{}:{id}", shop.name, manager = shop.locks, wait = "5s", hold = hold)]
#[axum::debug_handler(state = Shop)]
async fn debug_below(
    State(shop): State<Shop>,
    Path(id): Path<u32>,
    Json(by): Json<u32>,
) -> Result<Json<(u32, Option<String>)>, Failure> {
    tokio::task::yield_now().await;
    assert!(!shop.name.is_empty());
    assert_eq!(held().as_deref(), Some(hold.key()));
    Ok(Json((id + by, held())))
}

// `debug_handler` checks a copy of the body without its attributes, so above us it knows no
// `hold = name`.
#[axum::debug_handler(state = Shop)]
#[distributed_lock("axum:post:{id}")]
async fn debug_above(Path(id): Path<u32>, request: Request) -> Result<Response, Failure> {
    tokio::task::yield_now().await;
    let text = format!("{id} {} {}", request.method(), held().unwrap_or_default());
    Ok((StatusCode::CREATED, text).into_response())
}

#[distributed_lock("axum:unit", on_error = |error| error.to_string())]
async fn with_a_policy() -> String {
    held().unwrap_or_default()
}

#[distributed_lock("axum:middleware:{}", request.uri().path())]
async fn around(request: Request, next: Next) -> Result<Response, Failure> {
    let response = next.run(request).await;
    assert!(held().is_some());
    Ok(response)
}

struct Caller(String);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    #[distributed_lock("axum:extract:{}", parts.uri.path())]
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        tokio::task::yield_now().await;
        Ok(Self(held().unwrap_or_default()))
    }
}

// The body ends with its last `Rc` before it waits again; what is `Send` without the lock is so
// with it.
#[distributed_lock("axum:rc")]
async fn with_an_rc(caller: Caller) -> Result<String, Failure> {
    let length = {
        let local = Rc::new(caller.0);
        local.len()
    };
    tokio::task::yield_now().await;
    Ok(length.to_string())
}

fn router() -> Router {
    support();
    let shop = Shop { name: "s".into(), locks: locks().clone() };
    let inside = Router::new()
        .route("/inside", get(async || held().unwrap_or_default()))
        .layer(middleware::from_fn(around));
    Router::new()
        .route("/{id}", get(read).put(debug_below).post(debug_above))
        .route("/policy", get(with_a_policy))
        .route("/rc", post(with_an_rc))
        .merge(inside)
        .with_state(shop)
}

async fn ask(method: &str, uri: &str, body: &'static str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("content-type", "application/json").body(Body::from(body));
    let response = router().oneshot(request.expect("a valid request")).await;
    let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let bytes = to_bytes(body, 10_000).await.expect("a short body");
    (parts.status, String::from_utf8(bytes.into()).expect("text"))
}

#[tokio::test]
async fn a_handler_answers_under_the_lock() {
    assert_eq!(ask("GET", "/1", "").await, (StatusCode::OK, "axum:get:1".to_owned()));
    assert_released("axum:get:1");
    let answer = (StatusCode::OK, r#"[7,"axum:put:s:2"]"#.to_owned());
    assert_eq!(ask("PUT", "/2", "5").await, answer);
    assert_released("axum:put:s:2");
    let answer = (StatusCode::CREATED, "3 POST axum:post:3".to_owned());
    assert_eq!(ask("POST", "/3", "").await, answer);
    assert_released("axum:post:3");
    assert_eq!(ask("GET", "/policy", "").await, (StatusCode::OK, "axum:unit".to_owned()));
}

#[tokio::test]
async fn a_failure_becomes_the_response_of_its_error_type() {
    assert_eq!(ask("GET", "/0", "").await, (StatusCode::FORBIDDEN, "zero".to_owned()));
    let guard = locks().mutex("axum:get:9").acquire().await.expect("free");
    let (status, body) = tokio::spawn(ask("GET", "/9", "")).await.expect("no panic");
    assert_eq!((status, body.as_str()), (StatusCode::CONFLICT, ""));
    drop(guard);
}

#[tokio::test]
async fn middleware_holds_the_lock_around_the_handler() {
    let answer = (StatusCode::OK, "axum:middleware:/inside".to_owned());
    assert_eq!(ask("GET", "/inside", "").await, answer);
    assert_released("axum:middleware:/inside");
}

#[tokio::test]
async fn an_extractor_is_locked_by_itself() {
    let length = "axum:extract:/rc".len().to_string();
    assert_eq!(ask("POST", "/rc", "").await, (StatusCode::OK, length));
    assert_released("axum:extract:/rc");
}
