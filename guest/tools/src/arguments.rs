//! Arguments in Windows' manner: switches begin with `/` (or `-`) and compare without case.

/// Arguments in order, switches apart from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Switches without their slash, lower-case, with what follows their colon.
    pub switches: Vec<(String, Option<String>)>,
    /// Everything else.
    pub operands: Vec<String>,
}

impl Arguments {
    /// Parses the arguments of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::parse(std::env::args().skip(1))
    }

    /// Parses arguments.
    #[must_use]
    pub fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        for argument in arguments {
            match argument.strip_prefix(['/', '-']) {
                Some(switch) if !switch.is_empty() => {
                    let (name, value) = match switch.split_once(':') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (switch, None),
                    };
                    parsed.switches.push((name.to_lowercase(), value));
                }
                _ => parsed.operands.push(argument),
            }
        }
        parsed
    }

    /// Whether a switch is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.switches.iter().any(|(given, _)| given == name)
    }

    /// Whether help is asked for.
    #[must_use]
    pub fn asks_for_help(&self) -> bool {
        self.has("?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_told_from_operands() {
        let parsed = Arguments::parse(
            ["/V", "needle", "/C:two words", "-i", "/"]
                .map(str::to_owned)
                .into_iter(),
        );
        assert!(parsed.has("v") && parsed.has("i") && !parsed.has("needle"));
        assert_eq!(
            parsed.switches[1],
            ("c".to_owned(), Some("two words".to_owned()))
        );
        assert_eq!(parsed.operands, ["needle", "/"]);
    }
}
