//! The checker of layers that shares no code with what makes them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::saved::TopLayer;

/// Whether a layer, as it is sent, keeps the rules of the format.
pub(crate) fn passes(layer: &TopLayer) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("layer");
    fs::write(&file, &layer.blob)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer_check.py");
    let output = Command::new("python3").arg(script).arg(&file).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && errors.is_empty(),
        "the layer breaks rules: {said}{errors}"
    );
    Ok(())
}
