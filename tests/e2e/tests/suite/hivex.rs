//! A second reader of registry hives.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::saved::LayerEntry;

/// Has hivexsh go to each key and list its values.
pub(crate) fn read_by_hivex(hive: &LayerEntry, expected: &[(&str, &[&str])]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&hive.content)?;
    for (key, lines) in expected {
        let mut shell = Command::new("hivexsh")
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = shell.stdin.take().context("no input")?;
        write!(input, "cd {key}\nlsval\n")?;
        drop(input);
        let output = shell.wait_with_output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && errors.is_empty(),
            "{key}: {errors}"
        );
        for line in *lines {
            ensure!(printed.contains(line), "{key}: no {line} in {printed}");
        }
    }
    Ok(())
}
