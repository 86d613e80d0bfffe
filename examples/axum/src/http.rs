//! The routes, and which status and headers an error has.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use distlock::{Holder, LockError, ManagerStatus};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::accounts::{Accounts, Error, Receipt};

#[derive(Clone)]
pub struct Service {
    pub accounts: Accounts,
    /// Whether the process has been asked to end.
    pub stopping: watch::Receiver<bool>,
}

#[derive(Deserialize)]
struct Withdrawal {
    amount: u32,
}

#[derive(Serialize)]
struct Balance {
    account: i64,
    balance: i64,
}

/// The body of an error.
#[derive(Serialize)]
struct Problem {
    error: String,
    /// Who has the lock: fine inside a company, too much for the public.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Holder>,
}

pub fn routes(service: Service) -> Router {
    Router::new()
        .route("/accounts/{account}", get(balance))
        .route("/accounts/{account}/withdrawals", post(withdraw))
        .route("/ready", get(ready))
        .with_state(service)
}

async fn balance(
    State(service): State<Service>,
    Path(account): Path<i64>,
) -> Result<Json<Balance>, Error> {
    let balance = service.accounts.balance(account).await?;
    Ok(Json(Balance { account, balance }))
}

async fn withdraw(
    State(service): State<Service>,
    Path(account): Path<i64>,
    Json(withdrawal): Json<Withdrawal>,
) -> Result<Json<Receipt>, Error> {
    service.accounts.withdraw(account, withdrawal.amount.into()).await.map(Json)
}

/// Whether the process should get requests: not while it ends, nor while it gets no locks. All
/// processes of a lock server are not ready together, so this is no liveness probe, which would
/// restart them all.
async fn ready(State(service): State<Service>) -> (StatusCode, Json<ManagerStatus>) {
    let status = service.accounts.locks.status(); // sends nothing
    let is_ready = status.is_ready() && !*service.stopping.borrow();
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, retry) = match &self {
            Self::Lock(error) => lock_status(error),
            Self::Stale(_) => (StatusCode::CONFLICT, true),
            Self::NoAccount(_) => (StatusCode::NOT_FOUND, false),
            Self::Overdrawn { .. } => (StatusCode::UNPROCESSABLE_ENTITY, false),
            Self::Database(_) => (StatusCode::INTERNAL_SERVER_ERROR, false),
        };
        if status.is_server_error() {
            tracing::warn!(error = &self as &dyn std::error::Error, "a request failed");
        }
        let error = self.to_string();
        let (holder, after) = match self {
            Self::Lock(LockError::Busy(busy)) => (busy.holder.clone(), busy.retry_after()),
            Self::Lock(error) => (None, error.retry_after()),
            _ => (None, None),
        };
        let mut response = (status, Json(Problem { error, holder })).into_response();
        if retry {
            // Whole seconds, and never zero.
            let seconds = after.map_or(1, |after| after.as_millis().div_ceil(1000).max(1));
            let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// The status of a lock error, and whether the same request may be sent again.
fn lock_status(error: &LockError) -> (StatusCode, bool) {
    match error {
        LockError::Busy(_) => (StatusCode::CONFLICT, true),
        LockError::Unavailable(_)
        | LockError::NoReply(_)
        | LockError::DataLoss(_)
        | LockError::Deadlock(_)
        | LockError::Closed(_) => (StatusCode::SERVICE_UNAVAILABLE, true),
        // `Lost`: the withdrawal may have been booked, so the client has to read the account first.
        // All others: a right or a setting is missing, and no retry helps.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, false),
    }
}
