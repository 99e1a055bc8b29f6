//! From a sandbox to a layer on disk.

use std::path::Path;

use porthole_store::Store;

use crate::error::{ErrorKind, Failure, Result};
use crate::intake::{Expected, TakenLayer, take_in};
use crate::limits::{Limits, SetAside};
use crate::pack::{Given, OF_CONTAINER, pack_changes};
use crate::pipe::pipe;

/// Commits a sandbox: packs what its `upper` changes of `lowers` ([`pack_changes`]), and takes that
/// in, both at once. What comes out is settled on `lowers`.
///
/// # Errors
/// As [`pack_changes`] and [`take_in`].
pub fn commit(
    store: &Store,
    upper: &Path,
    lowers: &[&Path],
    given: &[Given<'_>],
    limits: &Limits,
) -> Result<(TakenLayer, SetAside)> {
    std::thread::scope(|scope| {
        let (sender, receiver) = pipe();
        let packing = scope.spawn(move || {
            let (sender, packed) = pack_changes(upper, lowers, given, sender)?;
            let finished = sender.finish();
            finished.map_err(|error| Failure::stream(error).of(OF_CONTAINER, None))?;
            Ok(packed)
        });
        let expected = Expected {
            blob: None,
            diff_id: None,
            most_bytes: limits.bytes,
        };
        let taken = take_in(store, OF_CONTAINER, receiver, &expected, limits);
        let packed: Result<_> = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (taken, packed) {
            (Ok(mut taken), Ok(packed)) => {
                taken.settle_spelt(lowers)?;
                Ok((taken, packed.set_aside))
            }
            // Who stops reading breaks the pipe of who packs.
            (Err(error), Err(cause)) if cause.kind() == ErrorKind::Origin => Err(error),
            (_, Err(cause)) => Err(cause),
            (Err(error), Ok(_)) => Err(error),
        }
    })
}
