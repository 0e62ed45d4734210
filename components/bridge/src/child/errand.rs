//! Processes that are started for one thing: a question to the component, or its hook `shutdown`.

use std::time::Duration;

use serde_json::Value;
use sluice_families::Errand;
use sluice_sdk::{Context, Error};
use tokio::time::timeout;

use super::start::{Prepared, Start, not_started};
use super::{Child, PoisonError};

/// How long an errand may take, as on their platform.
const TIME: Duration = Duration::from_secs(60);

impl Child {
    /// Starts a process for an errand. Gives what it told, or nothing when it ended well without a word.
    ///
    /// # Errors
    /// When the library knows no such errand, it takes too long, or ends otherwise.
    pub(crate) async fn run_errand(
        cx: &Context,
        start: Start<'_>,
        errand: Errand<'_>,
    ) -> Result<Option<Value>, Error> {
        let (adoption, proxy) = (start.adoption, start.proxy.clone());
        let Prepared { child, mask, .. } = Self::prepare(start).await?;
        // It ends with whoever asked.
        let _stop = child.stop.clone().drop_guard();
        child.note(cx);
        let with = (&child.config, adoption.command.as_slice());
        let launch = child
            .family
            .launch(&child.place, &child.step, errand, with)
            .ok_or_else(|| Error::fatal("not_offered", "the library of this component does not do that"))?;
        let mut result = child.result.subscribe();
        let process = child.spawn(adoption, (launch, proxy)).map_err(not_started)?;
        tokio::spawn(std::sync::Arc::clone(&child).watch(process, mask));
        let told = async {
            tokio::select! {
                biased;
                Ok(told) = result.wait_for(Option::is_some) => told.clone(),
                () = child.ended.cancelled() => None,
            }
        };
        let Ok(told) = timeout(TIME, told).await else {
            let text = format!("the component did not answer in {} s", TIME.as_secs());
            return Err(Error::retryable("component_hangs", text));
        };
        // It may have told it just before it ended.
        let told = told.or_else(|| child.result.borrow().clone());
        let how = child.how.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match told {
            Some(told) => Ok(Some(told)),
            None if how.well => Ok(None),
            None => Err(Error::fatal("component_ended", format_args!("the component ended: {}", how.text))),
        }
    }
}
