//! The tokens of sessions: one for each instance, however many runs want it at once.
//!
//! The first run that finds none logs in and the others wait for it. They share its failure, too, and a refused login is
//! not tried again for a while: an instance with a wrong password shall not lock its account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sluice_sdk::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::shelf::Shelf;

/// The code of a login that was refused.
pub(crate) const REFUSED: &str = "login_refused";
/// How long a refused login is not tried again, unless the credentials change.
const PENANCE: Duration = Duration::from_secs(30);
/// How long before its end a token is replaced, or a tenth of its time if that is less.
const AHEAD: Duration = Duration::from_secs(60);

/// The tokens by instance.
pub(crate) type Tickets = Shelf<Counter>;

/// The token of a session.
pub(crate) struct Ticket {
    pub(crate) token: String,
    /// Which login it came from.
    pub(crate) number: u64,
    due: Option<Instant>,
}

/// What a login gave: the token, and how long it lasts.
pub(crate) struct Fresh {
    pub(crate) token: String,
    pub(crate) lasts: Option<Duration>,
}

/// Which token somebody wants.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// The version of the instance's credentials.
    pub(crate) version: u64,
    /// The number of the token that the API refused.
    pub(crate) refused: Option<u64>,
}

/// Where the token of one instance is handed out.
#[derive(Default)]
pub(crate) struct Counter {
    /// Logins so far, for those who wait to see that there was one meanwhile.
    logins: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The last login.
struct Last {
    version: u64,
    at: Instant,
    result: Result<Arc<Ticket>, Error>,
}

impl Counter {
    /// The token; `log_in` gets another where there is none that will do.
    pub(crate) async fn ticket(
        &self,
        wanted: Wanted,
        log_in: impl Future<Output = Result<Fresh, Error>>,
    ) -> Result<Arc<Ticket>, Error> {
        let before = self.logins.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        let waited = self.logins.load(Ordering::SeqCst) != before;
        match last.as_ref().filter(|last| last.version == wanted.version).map(|last| (last, &last.result)) {
            Some((_, Ok(ticket))) if ticket.serves(wanted) => return Ok(Arc::clone(ticket)),
            Some((last, Err(error))) if waited || (is_refusal(error) && last.at.elapsed() < PENANCE) => {
                return Err(error.clone());
            }
            Some(_) | None => {}
        }
        let fresh = log_in.await;
        let (number, at) = (self.logins.fetch_add(1, Ordering::SeqCst) + 1, Instant::now());
        let result = fresh.map(|Fresh { token, lasts }| {
            let due = lasts.and_then(|lasts| at.checked_add(lasts - AHEAD.min(lasts / 10)));
            Arc::new(Ticket { token, number, due })
        });
        *last = Some(Last { version: wanted.version, at, result: result.clone() });
        result
    }
}

impl Ticket {
    fn serves(&self, wanted: Wanted) -> bool {
        self.due.is_none_or(|due| Instant::now() < due) && wanted.refused != Some(self.number)
    }
}

fn is_refusal(error: &Error) -> bool {
    error.code() == REFUSED
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Asks once; each login gives its own token and counts.
    async fn ask(counter: &Counter, wanted: Wanted, logins: &AtomicUsize) -> String {
        let log_in = async {
            tokio::task::yield_now().await;
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Fresh { token: format!("t{number}"), lasts: Some(Duration::from_secs(100)) })
        };
        counter.ticket(wanted, log_in).await.unwrap().token.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn many_get_the_token_of_one_login_until_it_is_due() {
        let (counter, logins) = (Counter::default(), AtomicUsize::new(0));
        let all = (0..20).map(|_| ask(&counter, Wanted::default(), &logins));
        let tokens = futures_util::future::join_all(all).await;
        assert!(tokens.iter().all(|token| token == "t1"), "{tokens:?}");
        tokio::time::advance(Duration::from_secs(89)).await;
        assert_eq!(ask(&counter, Wanted::default(), &logins).await, "t1");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            ask(&counter, Wanted::default(), &logins).await,
            "t2",
            "a tenth of its time before its end"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_and_other_credentials_want_another_login() {
        let (counter, logins) = (Counter::default(), AtomicUsize::new(0));
        let refused = |number| Wanted { refused: Some(number), ..Wanted::default() };
        assert_eq!(ask(&counter, Wanted::default(), &logins).await, "t1");
        let (a, b) = tokio::join!(ask(&counter, refused(1), &logins), ask(&counter, refused(1), &logins));
        assert_eq!((a.as_str(), b.as_str()), ("t2", "t2"));
        assert_eq!(ask(&counter, Wanted { version: 1, refused: None }, &logins).await, "t3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_shared_and_rests() {
        let (counter, logins) = (Counter::default(), AtomicUsize::new(0));
        let fail = |code: &'static str, version| {
            let (counter, logins) = (&counter, &logins);
            async move {
                let log_in = async {
                    tokio::task::yield_now().await;
                    logins.fetch_add(1, Ordering::SeqCst);
                    Err(Error::fatal(code, "no"))
                };
                counter.ticket(Wanted { version, refused: None }, log_in).await.err().unwrap();
                logins.load(Ordering::SeqCst)
            }
        };
        assert_eq!(tokio::join!(fail(REFUSED, 1), fail(REFUSED, 1)), (1, 1));
        assert_eq!(fail(REFUSED, 1).await, 1, "it rests");
        assert_eq!(fail(REFUSED, 2).await, 2, "other credentials");
        tokio::time::advance(PENANCE).await;
        assert_eq!(fail("connect", 2).await, 3);
        assert_eq!(tokio::join!(fail("connect", 2), fail("connect", 2)), (4, 4), "shared by those who wait");
        assert_eq!(fail("connect", 2).await, 5, "but it does not rest");
    }
}
