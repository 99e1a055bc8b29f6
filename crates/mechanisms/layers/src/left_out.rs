//! What of a sandbox is no change of the container's, wherever changes are looked for.

use porthole_layer::LayerPath;
use porthole_winpath::name::folded;

/// Paths below C: that belong to no layer, with all that is in them: what was deleted by hand is
/// not there, as Windows exports it.
const NEVER: [&str; 1] = ["$RECYCLE.BIN"];

/// Whether something is no part of a layer.
pub(crate) fn is_left_out(path: &LayerPath) -> bool {
    let below: Vec<String> = path.components().map(folded).collect();
    NEVER.contains(&below.join("\\").as_str())
}
