//! An attached program: its output to this terminal, this terminal's input to it.

use std::pin::Pin;

use anyhow::Result;
use bollard::container::LogOutput;
use bollard::errors::Error;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Ctrl-P, ctrl-Q: the daemon ends the session and leaves the program running.
const DETACH_KEYS: [u8; 2] = [16, 17];

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

/// Carries the streams until the program's output ends.
pub(crate) async fn run(output: Output, input: Input, interactive: bool, tty: bool) -> Result<End> {
    let output = show(output);
    let input = async {
        if interactive {
            let detached = send(input, tty).await;
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
async fn send(mut input: Input, tty: bool) -> bool {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; READ_SIZE];
    let mut last = 0;
    loop {
        let count = match stdin.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let keys = &buffer[..count];
        if input.write_all(keys).await.is_err() || input.flush().await.is_err() {
            return false;
        }
        if tty && holds_detach_keys(last, keys) {
            return true;
        }
        last = keys[count - 1];
    }
    // The program reads the end of its input; when it has ended there is nobody to tell.
    let _ = input.shutdown().await;
    false
}

fn holds_detach_keys(last: u8, keys: &[u8]) -> bool {
    let across = [last, keys[0]] == DETACH_KEYS;
    across || keys.windows(2).any(|pair| pair == DETACH_KEYS)
}

#[cfg(test)]
mod tests {
    use super::holds_detach_keys;

    #[test]
    fn the_detach_keys_are_seen_in_one_read_or_two() {
        assert!(holds_detach_keys(0, b"a\x10\x11b"));
        assert!(holds_detach_keys(16, b"\x11"));
        assert!(!holds_detach_keys(0, b"\x11\x10"));
    }
}
