//! From sandboxes to archives, and what changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use porthole_layer::{EntryKind, FileTime, Metadata, attributes};
use porthole_layers::{Change, ChangeKind, ErrorKind, Given, changes, pack_changes, pack_layer};

use crate::support::{Fill, Layers, Union, archive, entries, is_root, path, summary, time};

fn pack(union: &Union, layers: &Layers, given: &[Given<'_>]) -> Result<Vec<u8>> {
    Ok(pack_changes(&union.upper(), &layers.lowers(), given, Vec::new())?.0)
}

fn diff(union: &Union, layers: &Layers) -> Result<Vec<String>> {
    let all = changes(&union.upper(), &layers.lowers())?;
    let line = |change: &Change| {
        let kind = match change.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        format!("{kind} {}", change.path)
    };
    Ok(all.iter().map(line).collect())
}

/// A base with a bit of everything, in two layers.
fn base() -> Result<Layers> {
    let mut layers = Layers::new();
    let mut secured = Metadata::file().at(time(6));
    secured.security = Some(vec![7; 200]);
    secured.created = time(-100);
    secured.attributes |= attributes::HIDDEN | 0x2000;
    layers.add(&archive(|layer| {
        layer
            .put("Files/Windows/a.dll", "a")
            .put("Files/Windows/b.dll", "b");
        layer
            .put("Files/App/data/one", "1")
            .put("Files/App/data/two", "2")
            .put("Files/App/x", "x");
        layer.put_with("Files/secured", &secured, "s");
        layer
            .put("Files/streams", "f")
            .stream_of("keep", "k")
            .stream_of("drop", "d");
        layer.link("Files/link", r"C:\App\x");
    }))?;
    layers.add(&archive(|layer| {
        layer.put("Files/App/second", "2").gone("Files/App/x");
        layer.put("Files/Users/Me/NTUSER.DAT", "hive");
    }))?;
    Ok(layers)
}

#[test]
fn a_sandbox_without_changes_packs_to_nothing() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    assert!(diff(&union, &layers)?.is_empty());
    assert_eq!(summary(&pack(&union, &layers, &[])?)?, ["Files/", "Hives/"]);
    // Copied up and not changed: another owner, opened to be written.
    let root = union.root();
    std::os::unix::fs::chown(root.join("Windows/a.dll"), Some(1000), Some(1000))?;
    std::os::unix::fs::chown(root.join("App/data"), Some(1000), Some(1000))?;
    drop(
        fs::OpenOptions::new()
            .append(true)
            .open(root.join("secured"))?,
    );
    drop(
        fs::OpenOptions::new()
            .append(true)
            .open(root.join("streams:keep"))?,
    );
    assert!(union.upper().join("secured").exists());
    assert!(diff(&union, &layers)?.is_empty());
    assert_eq!(summary(&pack(&union, &layers, &[])?)?, ["Files/", "Hives/"]);
    Ok(())
}

#[test]
fn what_programs_do_is_listed_and_packed_exactly() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = base()?;
    let union = layers.mount()?;
    let root = union.root();
    fs::write(root.join("Windows/a.dll"), "changed")?;
    fs::remove_file(root.join("Windows/b.dll"))?;
    fs::create_dir_all(root.join("New/deep"))?;
    fs::write(root.join("New/deep/file"), "n")?;
    fs::hard_link(root.join("New/deep/file"), root.join("New/other"))?;
    fs::remove_dir_all(root.join("App/data"))?;
    fs::create_dir(root.join("App/data"))?;
    fs::write(root.join("App/data/two"), "again")?;
    fs::write(root.join("App/x"), "back")?;
    symlink("deep/file", root.join("New/link"))?;
    symlink("/c/New/deep", root.join("New/rooted"))?;
    fs::write(root.join("streams:new"), "n")?;
    fs::remove_file(root.join("streams:drop"))?;
    fs::write(root.join("New/deep/file:zone"), "z")?;
    assert_eq!(
        diff(&union, &layers)?,
        [
            r"C C:\App",
            r"C C:\App\data",
            r"D C:\App\data\one",
            r"C C:\App\data\two",
            r"A C:\App\x",
            r"A C:\New",
            r"A C:\New\deep",
            r"A C:\New\deep\file",
            r"A C:\New\link",
            r"A C:\New\other",
            r"A C:\New\rooted",
            r"C C:\Windows",
            r"C C:\Windows\a.dll",
            r"D C:\Windows\b.dll",
            r"C C:\streams",
        ]
    );
    let packed = pack(&union, &layers, &[])?;
    assert_eq!(
        summary(&packed)?,
        [
            "Files/",
            "Files/App/",
            "Files/App/data/",
            "Files/App/data/two = again",
            "Files/App/data/one !",
            "Files/App/x = back",
            "Files/New/",
            "Files/New/deep/",
            "Files/New/deep/file = n",
            "Files/New/deep/file:zone = z",
            r"Files/New/link -> deep\file",
            "Files/New/other == Files/New/deep/file",
            r"Files/New/rooted -> C:\New\deep",
            "Files/Windows/",
            "Files/Windows/a.dll = changed",
            "Files/Windows/b.dll !",
            "Files/streams = f",
            "Files/streams:keep = k",
            "Files/streams:new = n",
            "Hives/",
        ]
    );
    // What it becomes on another machine is what its container saw.
    let mut seen = union.listing()?;
    layers.add(&packed)?;
    let again = layers.mount()?;
    for line in &mut seen {
        *line = line.replace("/c/New/deep", "../New/deep");
    }
    // A hard link has the streams of its file.
    seen.push("New/other:zone = z".to_owned());
    seen.sort();
    assert_eq!(again.listing()?, seen);
    assert!(diff(&again, &layers)?.is_empty());
    Ok(())
}

#[test]
fn files_keep_the_metadata_that_they_have_below() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    let root = union.root();
    fs::write(root.join("secured"), "changed")?;
    fs::write(root.join("Windows/a.dll"), "changed")?;
    fs::set_permissions(root.join("App/second"), fs::Permissions::from_mode(0o444))?;
    let at = |name: &str| root.join(name);
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(at("App/data/two"), "user.DOSATTRIB", b"0x2", flags)?;
    rustix::fs::setxattr(at("App/data"), "user.DOSATTRIB", b"0x4", flags)?;
    fs::write(root.join("fresh"), "f")?;
    fs::rename(root.join("link"), root.join("moved"))?;
    let all = entries(&pack(&union, &layers, &[])?)?;
    let metadata = |name: &str| {
        let found = all.iter().find(|(entry, _)| entry.path.as_str() == name);
        found.map(|(entry, _)| entry.metadata.clone()).unwrap()
    };
    let secured = metadata("Files/secured");
    assert_eq!(
        (secured.security, secured.created),
        (Some(vec![7; 200]), time(-100))
    );
    assert_eq!(
        secured.attributes,
        attributes::ARCHIVE | attributes::HIDDEN | 0x2000
    );
    assert!(secured.modified > time(6));
    // What was made when it was changed last, was made then and not now.
    assert_eq!(metadata("Files/Windows/a.dll").created, time(0));
    assert_eq!(
        metadata("Files/App/second").attributes,
        attributes::ARCHIVE | attributes::READ_ONLY
    );
    assert_eq!(
        metadata("Files/App/data/two").attributes,
        attributes::ARCHIVE | attributes::HIDDEN
    );
    assert_eq!(
        metadata("Files/App/data").attributes,
        attributes::DIRECTORY | attributes::SYSTEM
    );
    let fresh = metadata("Files/fresh");
    assert_eq!(
        (fresh.security, fresh.attributes),
        (Metadata::file().security, attributes::ARCHIVE)
    );
    let moved = all
        .iter()
        .find(|(entry, _)| entry.path.as_str() == "Files/moved")
        .unwrap();
    assert_eq!(
        moved.0.kind,
        EntryKind::Symlink {
            target: r"C:\App\x".to_owned()
        }
    );
    assert_eq!(
        diff(&union, &layers)?.join(" "),
        r"C C:\App C C:\App\data C C:\App\data\two C C:\App\second C C:\Windows C C:\Windows\a.dll A C:\fresh D C:\link A C:\moved C C:\secured"
    );
    Ok(())
}

#[test]
fn given_files_take_their_place() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    fs::write(
        union.root().join("Users/Me/NTUSER.DAT"),
        "what the container has there",
    )?;
    let file = |name: &str, content: &'static str| Given {
        path: path(name),
        content: content.as_bytes(),
        modified: time(50),
    };
    let given = [
        file("Hives/Software_Delta", "delta"),
        file("Files/users/me/ntuser.dat", "hive"),
        file("Files/Users/Other/NTUSER.DAT", "other"),
    ];
    let packed = pack(&union, &layers, &given)?;
    assert_eq!(
        summary(&packed)?,
        [
            "Files/",
            "Hives/",
            "Hives/Software_Delta = delta",
            "Files/Users/",
            "Files/Users/Me/",
            "Files/Users/Me/NTUSER.DAT = hive",
            "Files/Users/Other/",
            "Files/Users/Other/NTUSER.DAT = other",
        ]
    );
    let users = &entries(&packed)?[3].0;
    assert_eq!(users.metadata.modified, FileTime::from_unix(0, 0));
    Ok(())
}

#[test]
fn a_profile_that_is_gone_gets_no_hive() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    fs::remove_dir_all(union.root().join("Users/Me"))?;
    let given = [Given {
        path: path("Files/Users/Me/NTUSER.DAT"),
        content: b"hive",
        modified: time(50),
    }];
    assert_eq!(
        summary(&pack(&union, &layers, &given)?)?,
        ["Files/", "Files/Users/", "Files/Users/Me !", "Hives/"]
    );
    Ok(())
}

#[test]
fn a_directory_made_anew_hides_streams_of_the_same_files() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer
            .dir("Files/d")
            .put("Files/d/f", "f")
            .stream_of("s", "s");
    }))?;
    let union = layers.mount()?;
    let file = union.root().join("d/f");
    let before = fs::metadata(&file)?.modified()?;
    fs::remove_dir_all(union.root().join("d"))?;
    fs::create_dir(union.root().join("d"))?;
    fs::write(&file, "f")?;
    fs::File::options()
        .write(true)
        .open(&file)?
        .set_modified(before)?;
    assert_eq!(diff(&union, &layers)?, [r"C C:\d", r"C C:\d\f"]);
    let packed = pack(&union, &layers, &[])?;
    layers.add(&packed)?;
    assert_eq!(layers.mount()?.listing()?, ["d/", "d/f = f"]);
    Ok(())
}

#[test]
fn a_whole_layer_is_packed_with_hives_and_whiteouts() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    let original = archive(|layer| {
        layer
            .dir("Files")
            .dir("Files/App")
            .put("Files/App/a", "a")
            .stream_of("s", "s");
        layer.hard("Files/App/b", "Files/App/a");
        layer.dir("Hives").put("Hives/System_Delta", "h");
        layer
            .dir("UtilityVM")
            .dir("UtilityVM/Files")
            .hard("UtilityVM/Files/x", "Files/App/a");
    });
    layers.add(&original)?;
    let mut size = 0;
    let (packed, told) = pack_layer(layers.top(), &[], Vec::new(), &mut |bytes| size += bytes)?;
    assert_eq!(entries(&packed)?, entries(&original)?);
    assert_eq!((size, told.size), (3, 3));
    Ok(())
}

#[test]
fn what_a_hostile_container_leaves_is_set_aside_and_never_followed() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    let root = union.root();
    let outside = tempfile::tempdir()?;
    fs::write(outside.path().join("secret"), "of the host")?;
    symlink(outside.path(), root.join("out"))?;
    let fifo = |path: &Path| {
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
    };
    fifo(&root.join("fifo"))?;
    fs::write(root.join("CON"), "")?;
    fs::write(root.join("back\\slash"), "")?;
    fs::write(root.join("dot."), "")?;
    fs::write(root.join("nobody's:stream"), "")?;
    fs::write(root.join("a:b:c"), "")?;
    fs::write(root.join("SPELT"), "first")?;
    fs::write(root.join("spelt"), "second")?;
    let unnamed = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    fs::write(root.join(unnamed), "")?;
    fs::create_dir_all(root.join("$Recycle.Bin/S-1"))?;
    let (packed, told) = pack_changes(&union.upper(), &layers.lowers(), &[], Vec::new())?;
    let target = outside.path().display().to_string().replace('/', "\\");
    assert_eq!(
        summary(&packed)?,
        [
            "Files/".to_owned(),
            "Files/SPELT = first".to_owned(),
            format!("Files/out -> C:{target}"),
            "Hives/".to_owned()
        ]
    );
    assert_eq!(told.set_aside.names, 8);
    let warning = told.set_aside.warning().unwrap();
    assert!(
        warning.starts_with("8 files that Windows cannot have are left out"),
        "{warning}"
    );
    let mut deep = root;
    for _ in 0..300 {
        deep = deep.join("d");
        fs::create_dir(&deep)?;
    }
    let error = pack(&union, &layers, &[]).unwrap_err();
    assert!(error.to_string().contains("directories"), "{error}");
    assert!(diff(&union, &layers).is_err());
    Ok(())
}

/// While its sandbox is read, a container swaps files, directories and links to the host's files.
#[test]
fn a_container_that_writes_meanwhile_leads_nobody_out() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    const SWAPS: usize = 500;
    let layers = base()?;
    let union = layers.mount()?;
    let outside = tempfile::tempdir()?;
    fs::write(outside.path().join("file"), "of the host")?;
    let (upper, lowers) = (union.upper(), layers.lowers());
    let swaps = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            let at = |name: &str| upper.join(name);
            while swaps.load(Ordering::Relaxed) < SWAPS {
                // Most of it fails now and then, as one step takes away what the next one needs.
                let _ = fs::create_dir(at("a"));
                let _ = fs::write(at("a/file"), "of the container");
                let _ = fs::write(at("a/file:stream"), "of the container");
                let _ = symlink(outside.path(), at("b"));
                let _ = fs::rename(at("a"), at("c"));
                let _ = fs::rename(at("b"), at("a"));
                let _ = fs::remove_file(at("c/file"));
                let _ = symlink(outside.path().join("file"), at("c/file"));
                let _ = fs::remove_file(at("a"));
                let _ = fs::remove_dir_all(at("c"));
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (mut whole, mut rounds) = (0, 0);
        while swaps.load(Ordering::Relaxed) < SWAPS {
            rounds += 1;
            match pack_changes(&upper, &lowers, &[], Vec::new()) {
                Ok((packed, _)) => {
                    whole += 1;
                    let leaks = |(_, content): &(_, Vec<u8>)| content == b"of the host";
                    assert!(!entries(&packed)?.iter().any(leaks));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Changed, "{error:?}"),
            }
            changes(&upper, &lowers)?;
        }
        println!("{whole} of {rounds} archives were whole while {SWAPS} swaps were made");
        Ok(())
    })
}

#[test]
fn time_that_was_set_back_hides_no_change() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let layers = base()?;
    let union = layers.mount()?;
    let file = union.root().join("Windows/a.dll");
    let before = fs::metadata(&file)?.modified()?;
    fs::write(&file, "z")?;
    fs::File::options()
        .write(true)
        .open(&file)?
        .set_modified(before)?;
    assert_eq!(
        diff(&union, &layers)?,
        [r"C C:\Windows", r"C C:\Windows\a.dll"]
    );
    Ok(())
}
