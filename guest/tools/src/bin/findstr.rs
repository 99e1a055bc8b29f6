//! `findstr`: lines that match patterns. Wine's ignores most switches.

use std::path::Path;
use std::process::ExitCode;

use porthole_tools::pattern::Pattern;
use porthole_tools::{text, wildcard};

const HELP: &str = "Searches for strings in files.

FINDSTR [/B] [/E] [/L] [/R] [/S] [/I] [/X] [/V] [/N] [/M] [/P] [/C:string] [/G:file] [strings] [[drive:][path]filename[ ...]]

  /B         Matches pattern if at the beginning of a line.
  /E         Matches pattern if at the end of a line.
  /L         Uses search strings literally.
  /R         Uses search strings as regular expressions.
  /S         Searches for matching files in the current directory and all subdirectories.
  /I         Specifies that the search is not to be case-sensitive.
  /X         Prints lines that match exactly.
  /V         Prints only lines that do not contain a match.
  /N         Prints the line number before each line that matches.
  /M         Prints only the filename if a file contains a match.
  /P         Skip files with non-printable characters.
  /C:string  Uses specified string as a literal search string.
  /G:file    Gets search strings from the specified file.";

#[derive(Debug, Default)]
struct Options {
    begin: bool,
    end: bool,
    literal: bool,
    regular: bool,
    deep: bool,
    ignore_case: bool,
    invert: bool,
    number: bool,
    names_only: bool,
    printable_only: bool,
    texts: Vec<String>,
    files: Vec<String>,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => ExitCode::from(u8::from(!run(&options))),
        Err(message) => {
            eprintln!("FINDSTR: {message}");
            ExitCode::from(2)
        }
    }
}

/// Letters of switches may stand together (`/spin`), so that the general parser does not fit.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    let mut operands = Vec::new();
    for argument in arguments {
        let Some(switch) = argument
            .strip_prefix('/')
            .filter(|switch| !switch.is_empty())
        else {
            operands.push(argument);
            continue;
        };
        let lower = switch.to_lowercase();
        if lower == "?" {
            return Ok(None);
        } else if lower.starts_with("c:") {
            options.texts.push(switch[2..].to_owned());
            // A /C string is one text, words and all, and literal unless /R says otherwise.
            options.literal |= !options.regular;
        } else if lower.starts_with("g:") {
            let bytes = std::fs::read(&switch[2..])
                .map_err(|error| format!("Cannot read {}: {error}", &switch[2..]))?;
            options.texts.extend(text::lines(&bytes));
        } else {
            lower.chars().try_for_each(|letter| options.set(letter))?;
        }
    }
    if options.texts.is_empty() {
        let first = (!operands.is_empty())
            .then(|| operands.remove(0))
            .ok_or("Bad command line")?;
        options.texts = first.split_whitespace().map(str::to_owned).collect();
    }
    options.files = operands;
    Ok(Some(options))
}

impl Options {
    fn set(&mut self, letter: char) -> Result<(), String> {
        match letter {
            'b' => self.begin = true,
            'e' => self.end = true,
            'l' => self.literal = true,
            'r' => {
                self.regular = true;
                self.literal = false;
            }
            's' => self.deep = true,
            'i' => self.ignore_case = true,
            'x' => (self.begin, self.end) = (true, true),
            'v' => self.invert = true,
            'n' => self.number = true,
            'm' => self.names_only = true,
            'p' => self.printable_only = true,
            other => return Err(format!("/{other} is not supported")),
        }
        Ok(())
    }

    fn patterns(&self) -> Vec<Pattern> {
        let make = if self.literal {
            Pattern::literal
        } else {
            Pattern::regular
        };
        self.texts
            .iter()
            .map(|text| make(text, self.ignore_case))
            .collect()
    }
}

fn run(options: &Options) -> bool {
    let patterns = options.patterns();
    if options.files.is_empty() {
        return text::standard_input().is_ok_and(|lines| search(&lines, &patterns, options, None));
    }
    let several = options.deep || options.files.len() > 1 || options.files[0].contains(['*', '?']);
    let mut found = false;
    for path in options
        .files
        .iter()
        .flat_map(|file| wildcard::expand(file, options.deep))
    {
        let Ok(bytes) = std::fs::read(&path) else {
            eprintln!("FINDSTR: Cannot open {}", path.display());
            continue;
        };
        if options.printable_only && bytes.contains(&0) {
            continue;
        }
        let named = (several || options.names_only).then_some(path.as_path());
        found |= search(&text::lines(&bytes), &patterns, options, named);
    }
    found
}

fn search(lines: &[String], patterns: &[Pattern], options: &Options, file: Option<&Path>) -> bool {
    let prefix = file.map(|file| file.display().to_string());
    let mut found = false;
    for (index, line) in lines.iter().enumerate() {
        let occurs = patterns
            .iter()
            .any(|pattern| pattern.occurs(line, options.begin, options.end));
        if occurs == options.invert {
            continue;
        }
        found = true;
        if options.names_only {
            println!("{}", prefix.as_deref().unwrap_or_default());
            break;
        }
        let name = prefix
            .as_ref()
            .map(|name| format!("{name}:"))
            .unwrap_or_default();
        let number = if options.number {
            format!("{}:", index + 1)
        } else {
            String::new()
        };
        println!("{name}{number}{line}");
    }
    found
}
