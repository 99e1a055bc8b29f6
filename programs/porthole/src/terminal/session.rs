//! An attached program: its output to this terminal, this terminal's input to it.

use std::pin::Pin;

use anyhow::Result;
use bollard::container::LogOutput;
use bollard::errors::Error;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::detach_keys::DetachKeys;

/// Bytes read from the terminal at once.
const READ_SIZE: usize = 16 * 1024;

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The program's output ended.
    Output,
    /// The user left with the detach keys.
    Detached,
}

/// Carries the streams until the program's output ends. `keys` are those that leave it, where it has
/// a console.
pub(crate) async fn run(
    output: Output,
    input: Input,
    interactive: bool,
    keys: Option<DetachKeys>,
) -> Result<End> {
    let output = show(output);
    let input = async {
        if interactive {
            let detached = send(input, keys).await;
            if detached { Some(End::Detached) } else { None }
        } else {
            drop(input);
            None
        }
    };
    tokio::pin!(output, input);
    tokio::select! {
        result = &mut output => { result?; return Ok(End::Output) }
        end = &mut input => if let Some(end) = end {
            // The daemon closes the stream once it has read the keys.
            output.await?;
            return Ok(end);
        }
    }
    output.await?;
    Ok(End::Output)
}

/// Writes output as it comes, errors to standard error.
pub(crate) async fn show(
    mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
) -> Result<()> {
    let mut stdout = tokio::io::stdout();
    let mut stderr = tokio::io::stderr();
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => {
                stderr.write_all(&message).await?;
                stderr.flush().await?;
            }
            LogOutput::StdOut { message }
            | LogOutput::Console { message }
            | LogOutput::StdIn { message } => {
                stdout.write_all(&message).await?;
                stdout.flush().await?;
            }
        }
    }
    Ok(())
}

/// Sends standard input until its end, or until the detach keys have gone out; tells whether they
/// have.
async fn send(mut input: Input, mut keys: Option<DetachKeys>) -> bool {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let count = match stdin.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let typed = &buffer[..count];
        if input.write_all(typed).await.is_err() || input.flush().await.is_err() {
            return false;
        }
        if keys.as_mut().is_some_and(|keys| keys.seen_in(typed)) {
            return true;
        }
    }
    // The program reads the end of its input; when it has ended there is nobody to tell.
    let _ = input.shutdown().await;
    false
}
