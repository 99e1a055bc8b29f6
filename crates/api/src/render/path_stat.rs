//! What a path of a container leads to, as clients find it in a header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use porthole_engine::container::archive::{Kind, PathStat};
use serde_json::json;
use time::OffsetDateTime;

use crate::timestamp;

/// Go's bits for kinds of files in `os.FileMode`.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const IRREGULAR: u32 = 1 << 19;

/// The header's value.
pub(crate) fn header(path: &PathStat) -> String {
    let stat = &path.stat;
    let kind = match stat.kind {
        Kind::File => 0,
        Kind::Directory => DIRECTORY,
        Kind::Link => SYMLINK,
        Kind::Other => IRREGULAR,
    };
    let link_target = match stat.kind {
        // With a slash, for clients on Linux take a backslash for a letter of a name.
        Kind::Link => format!("/{}", stat.link_target.join("/")),
        _ => String::new(),
    };
    let nanoseconds = i128::from(stat.modified) * 1_000_000_000 + i128::from(stat.modified_ns);
    let modified = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok();
    let value = json!({
        "name": path.name,
        "size": stat.size,
        "mode": kind | stat.permissions,
        "mtime": timestamp::rfc3339_or_never(modified),
        "linkTarget": link_target,
    });
    STANDARD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use porthole_engine::container::archive::Stat;

    use super::*;

    fn decoded(kind: Kind, link_target: &[&str]) -> serde_json::Value {
        let header = header(&PathStat {
            name: "x".to_owned(),
            stat: Stat {
                kind,
                size: 5,
                permissions: 0o644,
                modified: 1_700_000_000,
                modified_ns: 500_000_000,
                link_target: link_target.iter().map(ToString::to_string).collect(),
            },
        });
        serde_json::from_slice(&STANDARD.decode(header).unwrap()).unwrap()
    }

    #[test]
    fn modes_are_those_of_go() {
        let file = decoded(Kind::File, &[]);
        assert_eq!(file["mode"], 0o644);
        assert_eq!(file["mtime"], "2023-11-14T22:13:20.5Z");
        assert_eq!(
            (&file["size"], &file["linkTarget"]),
            (&json!(5), &json!(""))
        );
        assert_eq!(decoded(Kind::Directory, &[])["mode"], 2_147_484_068_u32);
        let link = decoded(Kind::Link, &["Users", "me"]);
        assert_eq!(link["mode"], 134_218_148);
        assert_eq!(link["linkTarget"], "/Users/me");
    }
}
