//! Health checks: what is asked for, and what its probes have told so far.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::container::command;
use crate::error::{Error, Result};

/// Nanoseconds of the shortest time that can be asked for.
const SHORTEST: i64 = 1_000_000;

/// Default times and retries, all of them moby's.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// How many results are kept.
const KEPT: usize = 5;

/// The shell of `CMD-SHELL` when the image has none.
const SHELL: [&str; 3] = ["cmd", "/S", "/C"];

/// How a container's health is checked. It is written as images and clients write it: times in
/// nanoseconds, and zero is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `NONE`; `CMD` and the words of a command; `CMD-SHELL` and a line for the shell. Empty takes
    /// the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// From the end of a probe to the start of the next.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long a probe may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// How long failures do not count after the start.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// The interval while failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make a container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The command of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The raw Windows command line.
    pub(crate) line: String,
    /// The command as events show it.
    pub(crate) shown: String,
}

impl HealthCheck {
    /// Refuses what cannot be.
    pub(crate) fn check(&self, shell: &[String]) -> Result<()> {
        for (name, time) in [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
        ] {
            if time != 0 && time < SHORTEST {
                let text = format!("{name} in Healthcheck cannot be less than 1ms");
                return Err(Error::invalid(text));
            }
        }
        if self.retries < 0 {
            return Err(Error::invalid("Retries in Healthcheck cannot be negative"));
        }
        self.command(shell).map(drop)
    }

    /// The settings, and the image's where they say nothing.
    pub(crate) fn over(mut self, image: Self) -> Self {
        if self.test.is_empty() {
            self.test = image.test;
        }
        for (own, images) in [
            (&mut self.interval, image.interval),
            (&mut self.timeout, image.timeout),
            (&mut self.start_period, image.start_period),
            (&mut self.start_interval, image.start_interval),
            (&mut self.retries, image.retries),
        ] {
            if *own == 0 {
                *own = images;
            }
        }
        self
    }

    /// Whether health is checked.
    pub(crate) fn is_on(&self) -> bool {
        self.test.first().is_some_and(|kind| kind != "NONE")
    }

    /// The command of a probe; none when health is not checked.
    pub(crate) fn command(&self, shell: &[String]) -> Result<Option<Command>> {
        let Some((kind, words)) = self.test.split_first() else {
            return Ok(None);
        };
        let command = match kind.as_str() {
            "NONE" => return Ok(None),
            "CMD" | "CMD-SHELL" if words.iter().all(String::is_empty) => {
                return Err(Error::invalid(format!("Healthcheck {kind} has no command")));
            }
            "CMD" => {
                command::check_program(&words[0])?;
                Command {
                    line: command::join(words)?,
                    shown: words.join(" "),
                }
            }
            "CMD-SHELL" => shell_command(shell, &words.join(" "))?,
            other => {
                return Err(Error::invalid(format!(
                    "Unknown healthcheck type '{other}' (expected 'CMD')"
                )));
            }
        };
        Ok(Some(command))
    }

    /// How long a probe may take.
    pub(crate) fn timeout(&self) -> Duration {
        or_default(self.timeout, TIMEOUT)
    }

    /// The pause before the next probe of a container that has run for so long.
    pub(crate) fn pause(&self, status: HealthStatus, running: Duration) -> Duration {
        let starting = status == HealthStatus::Starting && running < self.start_period();
        if starting {
            or_default(self.start_interval, START_INTERVAL)
        } else {
            or_default(self.interval, INTERVAL)
        }
    }

    fn start_period(&self) -> Duration {
        or_default(self.start_period, Duration::ZERO)
    }

    fn retries(&self) -> u32 {
        match u32::try_from(self.retries) {
            Ok(0) | Err(_) => RETRIES,
            Ok(retries) => retries,
        }
    }
}

/// `cmd /S /C "line"`: that shell takes the outer quotes away and the rest as it is, and does not
/// know the escapes that other programs take apart.
fn shell_command(shell: &[String], line: &str) -> Result<Command> {
    let shell = if shell.is_empty() {
        SHELL.map(str::to_owned).to_vec()
    } else {
        shell.to_vec()
    };
    let shown = format!("{} {line}", shell.join(" "));
    let program = shell[0].to_ascii_lowercase();
    let program = program.rsplit(['\\', '/']).next().unwrap_or_default();
    let line = if program.trim_end_matches(".exe") == "cmd" {
        format!("{} \"{line}\"", command::join(&shell)?)
    } else {
        command::join(&[shell, vec![line.to_owned()]].concat())?
    };
    Ok(Command { line, shown })
}

fn or_default(nanoseconds: i64, default: Duration) -> Duration {
    match u64::try_from(nanoseconds) {
        Ok(0) | Err(_) => default,
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What is known of a container's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No probe has succeeded yet, and not too many have failed.
    Starting,
    /// The last probes did not fail too often in a row.
    Healthy,
    /// They did, or nobody probes any more.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A container's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is known.
    pub status: HealthStatus,
    /// How many probes in a row have failed.
    pub failing_streak: u32,
    /// The last results, the oldest first.
    pub log: Vec<ProbeResult>,
}

/// What a probe told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    pub start: OffsetDateTime,
    /// When it was over.
    #[serde(with = "time::serde::rfc3339")]
    pub end: OffsetDateTime,
    /// All 32 bits, 0 is healthy; -1 when the probe could not be started or took too long.
    pub exit_code: i64,
    /// The beginning of what it printed, or why there is no exit code.
    pub output: String,
}

impl Health {
    /// The health of a container that has just been started; results of earlier runs stay.
    pub(crate) fn starting(before: Option<Self>) -> Self {
        Self {
            status: HealthStatus::Starting,
            failing_streak: 0,
            log: before.map(|health| health.log).unwrap_or_default(),
        }
    }

    /// Nobody probes any more: moby then tells that the container is unhealthy.
    pub(crate) const fn unwatched(&mut self) {
        self.status = HealthStatus::Unhealthy;
    }

    /// Takes the result of a probe, of a container that had run for so long when it began. True when
    /// the status is another now.
    pub(crate) fn take(
        &mut self,
        check: &HealthCheck,
        running: Duration,
        result: ProbeResult,
    ) -> bool {
        let before = self.status;
        if result.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if before != HealthStatus::Starting || running >= check.start_period() {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries() {
                self.status = HealthStatus::Unhealthy;
            }
        }
        if self.log.len() >= KEPT {
            self.log.drain(..=self.log.len() - KEPT);
        }
        self.log.push(result);
        self.status != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn check(test: &[&str]) -> HealthCheck {
        HealthCheck {
            test: test.iter().map(|word| (*word).to_owned()).collect(),
            ..HealthCheck::default()
        }
    }

    fn result(exit_code: i64) -> ProbeResult {
        ProbeResult {
            start: OffsetDateTime::UNIX_EPOCH,
            end: OffsetDateTime::UNIX_EPOCH,
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn failures_in_a_row_make_unhealthy_and_one_success_healthy() {
        let check = check(&["CMD", "x"]);
        let mut health = Health::starting(None);
        let mut seen = Vec::new();
        for code in [1, 0, -1, 1, 5, 5, 0] {
            let changed = health.take(&check, SECOND, result(code));
            seen.push((health.status, health.failing_streak, changed));
        }
        use HealthStatus::{Healthy, Starting, Unhealthy};
        assert_eq!(
            seen,
            [
                (Starting, 1, false),
                (Healthy, 0, true),
                (Healthy, 1, false),
                (Healthy, 2, false),
                (Unhealthy, 3, true),
                (Unhealthy, 4, false),
                (Healthy, 0, true),
            ]
        );
        let codes: Vec<_> = health.log.iter().map(|result| result.exit_code).collect();
        assert_eq!(codes, [-1, 1, 5, 5, 0]);
    }

    #[test]
    fn failures_do_not_count_in_the_start_period() {
        let check = HealthCheck {
            start_period: 2_000_000_000,
            retries: 1,
            ..check(&["CMD", "x"])
        };
        let mut health = Health::starting(None);
        assert!(!health.take(&check, SECOND, result(1)));
        assert_eq!(check.pause(health.status, SECOND), START_INTERVAL);
        assert_eq!(check.pause(health.status, 2 * SECOND), INTERVAL);
        assert!(health.take(&check, 2 * SECOND, result(1)));
        assert_eq!(health.status, HealthStatus::Unhealthy);
    }

    #[test]
    fn commands_are_command_lines() {
        let line = |test: &[&str], shell: &[&str]| {
            let shell: Vec<_> = shell.iter().map(|word| (*word).to_owned()).collect();
            let command = check(test).command(&shell).unwrap();
            command.map(|command| command.line)
        };
        assert_eq!(line(&["NONE"], &[]), None);
        assert_eq!(line(&[], &[]), None);
        assert_eq!(
            line(&["CMD", "a.exe", "b c"], &[]).as_deref(),
            Some(r#"a.exe "b c""#)
        );
        assert_eq!(
            line(&["CMD-SHELL", r#"a "b c" || exit 1"#], &[]).as_deref(),
            Some(r#"cmd /S /C "a "b c" || exit 1""#)
        );
        assert_eq!(
            line(&["CMD-SHELL", r#"a "b""#], &["powershell", "-Command"]).as_deref(),
            Some(r#"powershell -Command "a \"b\"""#)
        );
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        let cmd = || check(&["CMD", "x"]);
        for (check, sentence) in [
            (
                HealthCheck {
                    interval: 999_999,
                    ..cmd()
                },
                "Interval in Healthcheck cannot be less than 1ms",
            ),
            (
                HealthCheck {
                    start_interval: -1,
                    ..cmd()
                },
                "StartInterval in Healthcheck cannot be less than 1ms",
            ),
            (
                HealthCheck {
                    retries: -1,
                    ..cmd()
                },
                "Retries in Healthcheck cannot be negative",
            ),
            (check(&["CMD"]), "Healthcheck CMD has no command"),
            (
                check(&["HTTP", "x"]),
                "Unknown healthcheck type 'HTTP' (expected 'CMD')",
            ),
        ] {
            assert_eq!(check.check(&[]).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn settings_are_completed_from_the_image() {
        let image = HealthCheck {
            interval: 5,
            retries: 2,
            ..check(&["CMD", "image"])
        };
        let own = HealthCheck {
            retries: 7,
            ..HealthCheck::default()
        };
        let merged = own.over(image.clone());
        assert_eq!(
            merged,
            HealthCheck {
                retries: 7,
                ..image
            }
        );
    }
}
