//! Asking a Compute Service that may be about to be replaced.

use std::time::Duration;

use porthole_compute_service::{ErrorKind, Result};

/// How long to wait before asking again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Asks until the Compute Service can be reached: what it does not say must not be taken for an
/// answer. Containers outlive the service, and whoever runs it starts it again.
pub(crate) async fn patiently<T, F>(mut question: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    loop {
        match question().await {
            Err(error) if error.kind() == ErrorKind::ServiceNotAvailable => {
                tracing::debug!(%error, "the compute service cannot be reached yet");
                pause().await;
            }
            answer => return answer,
        }
    }
}

/// Waits as long as between two questions.
pub(crate) async fn pause() {
    tokio::time::sleep(ASK_AGAIN).await;
}

#[cfg(test)]
mod tests {
    use porthole_compute_service::Error;

    use super::*;

    #[tokio::test]
    async fn only_an_answer_ends_the_questions() {
        let mut kinds = [ErrorKind::SystemNotFound, ErrorKind::ServiceNotAvailable]
            .into_iter()
            .rev();
        let answer: Result<()> = patiently(|| {
            let kind = kinds.next().unwrap();
            async move { Err(Error::new(kind, "OpenComputeSystem c1", "")) }
        })
        .await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::SystemNotFound);
    }
}
