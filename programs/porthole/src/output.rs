//! Answers as the user wants them: a table, docker's `--format`, or JSON.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::table::Table;
use crate::template::Template;

/// The names of a list's fields, and their headings.
pub(crate) type Fields = [(&'static str, &'static str)];

/// A `--format`.
#[derive(Debug)]
pub(crate) struct Format {
    template: Template,
    is_table: bool,
}

impl Format {
    /// What `--format` and `--json` together ask for; none for the list's own table.
    pub(crate) fn of(text: Option<&str>, json: bool) -> Result<Option<Self>> {
        let Some(text) = text else { return Ok(None) };
        if json {
            bail!("--json and --format cannot both say what is printed");
        }
        let (text, is_table) = match text.strip_prefix("table") {
            Some("") => return Ok(None),
            Some(rest) if rest.starts_with([' ', '\t', '{', '\\']) => (rest.trim_start(), true),
            _ if text == "json" => ("{{json .}}", false),
            _ => (text, false),
        };
        let template = Template::parse(text)?;
        Ok(Some(Self { template, is_table }))
    }

    /// Refuses a template with fields that rows like `sample` do not have: a list without rows would
    /// not tell.
    pub(crate) fn check(&self, sample: &Value) -> Result<()> {
        Ok(self.template.check(sample)?)
    }

    /// Prints rows.
    pub(crate) fn print(&self, fields: &Fields, rows: &[Value]) -> Result<()> {
        self.print_labelled(fields, rows.iter().map(|row| (row, &Value::Null)))
    }

    /// Prints rows, each with the labels that `.Label "name"` looks in.
    pub(crate) fn print_labelled<'a>(
        &self,
        fields: &Fields,
        rows: impl Iterator<Item = (&'a Value, &'a Value)>,
    ) -> Result<()> {
        let lines = rows.map(|(row, labels)| self.template.render(row, labels));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        if self.is_table {
            let title = |name: &str| {
                let field = fields.iter().find(|(field, _)| *field == name);
                field.map(|(_, title)| (*title).to_owned())
            };
            let headings = self.template.headings(title);
            let mut table = Table::new(&headings.split('\t').collect::<Vec<_>>());
            for line in lines {
                table.row(line.split('\t').map(str::to_owned));
            }
            table.print()?;
            return Ok(());
        }
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// Prints a line on standard output; an error where its reader is gone, for which `println!` would
/// panic.
macro_rules! say {
    ($($words:tt)*) => { $crate::output::say_line(format_args!($($words)*)) };
}

/// Prints a line on standard error. Where nobody reads that, there is nobody to tell.
macro_rules! remark {
    ($($words:tt)*) => { $crate::output::say_aside(format_args!($($words)*)) };
}

pub(crate) use {remark, say};

/// What [`say!`] does.
pub(crate) fn say_line(words: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{words}")
}

/// What [`remark!`] does.
pub(crate) fn say_aside(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    say!("{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Does what may take more than a moment, and shows on a terminal that it goes on.
pub(crate) async fn with_spinner<T>(doing: String, work: impl Future<Output = T>) -> T {
    /// What is done within it needs no sign of life.
    const PATIENCE: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(120);
    tokio::pin!(work);
    if !io::stderr().is_terminal() {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let bar = ProgressBar::new_spinner();
    // The template is constant and sound; the default style would do otherwise.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar.enable_steady_tick(TICK);
    let done = work.await;
    bar.finish_and_clear();
    done
}
