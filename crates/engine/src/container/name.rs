//! Container IDs and names.

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// First halves of chosen names.
const MOODS: &[&str] = &[
    "amber", "bold", "bright", "brisk", "calm", "clear", "clever", "daring", "eager", "fair",
    "gentle", "glad", "golden", "hardy", "honest", "jolly", "keen", "kind", "lively", "lucky",
    "merry", "modest", "nimble", "noble", "patient", "proud", "quick", "quiet", "ready", "serene",
    "silver", "sober", "steady", "sturdy", "sunny", "swift", "tidy", "trusty", "warm", "witty",
];

/// Second halves of chosen names: what floats.
const VESSELS: &[&str] = &[
    "barge",
    "bark",
    "brig",
    "canoe",
    "caravel",
    "carrack",
    "catamaran",
    "clipper",
    "cog",
    "coracle",
    "corvette",
    "cutter",
    "dhow",
    "dinghy",
    "dory",
    "ferry",
    "frigate",
    "galleon",
    "galley",
    "hoy",
    "junk",
    "kayak",
    "ketch",
    "launch",
    "lugger",
    "packet",
    "pinnace",
    "pram",
    "punt",
    "raft",
    "sampan",
    "schooner",
    "skiff",
    "sloop",
    "tender",
    "trawler",
    "trimaran",
    "tug",
    "yacht",
    "yawl",
];

/// A new ID: 64 hexadecimal digits, whose first 12 are not all decimal, because they also serve as
/// host name.
pub(crate) fn new_id() -> String {
    loop {
        let bytes: [u8; 32] = rand::rng().random();
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if id[..12].parse::<u64>().is_err() {
            return id;
        }
    }
}

/// A new name; after the first attempt with a digit, so that it becomes free sooner.
pub(crate) fn choose_name(attempt: usize) -> String {
    let mut rng = rand::rng();
    let pick =
        |words: &'static [&'static str], rng: &mut _| words.choose(rng).copied().unwrap_or("a");
    let name = format!("{}_{}", pick(MOODS, &mut rng), pick(VESSELS, &mut rng));
    if attempt == 0 {
        name
    } else {
        format!("{name}{}", rng.random_range(0..10))
    }
}

/// The name a client gave, without its slash. Docker wants two characters; one does no harm.
pub(crate) fn check_name(name: &str) -> Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if bare.starts_with(|c: char| c.is_ascii_alphanumeric()) && bare.chars().all(allowed) {
        return Ok(bare);
    }
    Err(Error::invalid(format!(
        "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

/// Docker's text for a name that is taken.
pub(crate) fn taken(context: &Context, name: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::Conflict {
        return error;
    }
    let holder = context
        .containers
        .find(&format!("/{name}"))
        .map(|handle| handle.id.clone());
    Error::conflict(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove \
         (or rename) that container to be able to reuse that name.",
        holder.unwrap_or_default()
    ))
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_hexadecimal_digits() {
        let id = new_id();
        assert_eq!(id.len(), 64);
        assert!(id.chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn chosen_names_are_allowed_names() {
        for attempt in 0..5 {
            let name = choose_name(attempt);
            assert_eq!(check_name(&name).unwrap(), name);
        }
    }

    #[test]
    fn names_follow_dockers_rule() {
        assert_eq!(check_name("/web-1").unwrap(), "web-1");
        assert_eq!(check_name("e").unwrap(), "e");
        for wrong in ["", "/", "-a", "a b", "a/b", "ä1"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
