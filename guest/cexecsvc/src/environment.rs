//! The environment of a process: the system's variables, the account's, then the request's.

use std::collections::BTreeMap;

use crate::session::{self, SYSTEM_VARIABLES};
use crate::sys::cpu;
use crate::sys::registry::{Key, Root};

/// Variables by their names' upper-case form, which is how Windows compares and sorts them.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, (String, String)>);

/// Who the variables are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The account's name.
    pub(crate) account: &'a str,
    /// The silo's host name.
    pub(crate) host_name: &'a str,
    /// Processors that programs may use.
    pub(crate) processors: u32,
}

impl Environment {
    /// The environment of a process of `owner` that was asked for with `requested` variables.
    pub(crate) fn of(owner: Owner<'_>, requested: &[(String, String)]) -> Self {
        let mut environment = Self::default();
        environment.add_computer(owner);
        environment.add_account(owner.account);
        if let Ok(key) = Key::open(Root::Machine, SYSTEM_VARIABLES) {
            environment.add_registry(&key);
        }
        if let Ok(key) = Key::open(Root::User, "Environment") {
            environment.add_registry(&key);
        }
        environment.add_processor(owner.processors);
        for (name, value) in requested {
            environment.set(name, value);
        }
        environment
    }

    /// Sets a variable, whose name takes the spelling of the last to set it. A name that no
    /// environment block can hold is left out.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let unusable = |text: &str| text.contains('\0');
        // A leading '=' is how the shell names the directories of drives ("=C:").
        if name.is_empty()
            || name.chars().skip(1).any(|unit| unit == '=')
            || unusable(name)
            || unusable(value)
        {
            return;
        }
        self.0
            .insert(upper_case(name), (name.to_owned(), value.to_owned()));
    }

    /// A variable's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(&upper_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The block that `CreateProcess` takes: sorted, each null-terminated, an empty one last.
    pub(crate) fn block(&self) -> Vec<u16> {
        let mut block: Vec<u16> = Vec::new();
        for (name, value) in self.0.values() {
            block.extend(format!("{name}={value}").encode_utf16().chain([0]));
        }
        if block.is_empty() {
            block.push(0);
        }
        block.push(0);
        block
    }

    fn add_computer(&mut self, owner: Owner<'_>) {
        let variables = [
            ("ALLUSERSPROFILE", r"C:\ProgramData"),
            ("CommonProgramFiles", r"C:\Program Files\Common Files"),
            (
                "CommonProgramFiles(x86)",
                r"C:\Program Files (x86)\Common Files",
            ),
            ("CommonProgramW6432", r"C:\Program Files\Common Files"),
            ("ComSpec", r"C:\Windows\system32\cmd.exe"),
            ("OS", "Windows_NT"),
            (
                "PATHEXT",
                ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC",
            ),
            (
                "Path",
                r"C:\Windows\system32;C:\Windows;C:\Windows\System32\Wbem",
            ),
            ("ProgramData", r"C:\ProgramData"),
            ("ProgramFiles", r"C:\Program Files"),
            ("ProgramFiles(x86)", r"C:\Program Files (x86)"),
            ("ProgramW6432", r"C:\Program Files"),
            ("PROMPT", "$P$G"),
            ("PUBLIC", r"C:\Users\Public"),
            ("SystemDrive", "C:"),
            ("SystemRoot", r"C:\Windows"),
            ("windir", r"C:\Windows"),
        ];
        for (name, value) in variables {
            self.set(name, value);
        }
        self.set("COMPUTERNAME", &session::net_bios_name(owner.host_name));
    }

    /// Set after the registry's variables: an image's may be those of the machine that built it.
    fn add_processor(&mut self, processors: u32) {
        let (level, revision) = session::processor_version();
        let vendor = cpu::vendor();
        let identifier = format!("{}, {vendor}", session::processor_identifier());
        self.set("NUMBER_OF_PROCESSORS", &processors.to_string());
        self.set("PROCESSOR_ARCHITECTURE", "AMD64");
        self.set("PROCESSOR_IDENTIFIER", &identifier);
        self.set("PROCESSOR_LEVEL", &level);
        self.set("PROCESSOR_REVISION", &revision);
    }

    fn add_account(&mut self, account: &str) {
        let profile = format!(r"C:\Users\{account}");
        let roaming = format!(r"{profile}\AppData\Roaming");
        let local = format!(r"{profile}\AppData\Local");
        let temporary = format!(r"{local}\Temp");
        self.set("APPDATA", &roaming);
        self.set("LOCALAPPDATA", &local);
        self.set("TEMP", &temporary);
        self.set("TMP", &temporary);
        self.set("USERDOMAIN", "User Manager");
        self.set("USERNAME", account);
        self.set("USERPROFILE", &profile);
    }

    /// Adds the variables of a registry key. `Path` is added to, not replaced, by a user's key;
    /// `TEMP` and `TMP` of the system's key are the services', not the account's.
    fn add_registry(&mut self, key: &Key) {
        for (name, value, expand) in key.texts() {
            if matches!(upper_case(&name).as_str(), "TEMP" | "TMP" | "USERNAME") {
                continue;
            }
            let value = if expand { self.expand(&value) } else { value };
            self.set(&name, &value);
        }
    }

    /// Replaces each `%NAME%` that is set.
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('%') {
            expanded.push_str(literal);
            match tail
                .split_once('%')
                .and_then(|(name, after)| Some((self.get(name)?, after)))
            {
                Some((value, after)) => {
                    expanded.push_str(value);
                    rest = after;
                }
                None => {
                    expanded.push('%');
                    rest = tail;
                }
            }
        }
        expanded + rest
    }
}

/// Upper case by single characters, as Windows does it: "ß" stays what it is.
fn upper_case(name: &str) -> String {
    let upper = |character: char| {
        let mut upper = character.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => one,
            _ => character,
        }
    };
    name.chars().map(upper).collect()
}
