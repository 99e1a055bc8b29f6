//! From archives to directories and unions.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};
use porthole_layer::{FileTime, Metadata, attributes};
use porthole_layers::{Limits, settle, unpack};

use crate::support::{Fill, Layers, archive, holds, is_root, path, raw, time};

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 4096];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

#[test]
fn one_file_whatever_the_spelling() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer
            .put("Files/App/a.dll", "one")
            .put("Files/App/b.dll", "b");
        layer.put("Files/App/Ünï.txt", "u");
    }))?;
    layers.add(&archive(|layer| {
        layer
            .put("files/APP/A.DLL", "two")
            .put("Files/aPP/new.txt", "n");
        layer.put("Files/App/üNÏ.TXT", "v");
    }))?;
    let union = layers.mount()?;
    let both = [
        "App/",
        "App/a.dll = two",
        "App/b.dll = b",
        "App/new.txt = n",
        "App/Ünï.txt = v",
    ];
    assert_eq!(union.listing()?, both);
    layers.add(&archive(|layer| {
        layer
            .gone("Files/app/A.dll")
            .gone("Files/app/NEW.txt")
            .gone("Files/App/absent");
    }))?;
    holds(
        &layers.top().join("Files"),
        &["App/", "App/a.dll !", "App/new.txt !"],
    )?;
    assert_eq!(
        layers.mount()?.listing()?,
        ["App/", "App/b.dll = b", "App/Ünï.txt = v"]
    );
    layers.add(&archive(|layer| {
        layer.put("Files/APP", "a file now");
    }))?;
    assert_eq!(layers.mount()?.listing()?, ["App = a file now"]);
    Ok(())
}

#[test]
fn two_spellings_in_one_layer_are_one_file() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer.put("Files/App/a.txt", "one").stream_of("s", "1");
        layer.put("Files/app/A.TXT", "two");
        layer.put("Files/APP/b.txt", "b").gone("Files/app/B.TXT");
    }))?;
    holds(
        &layers.top().join("Files"),
        &["App/", "App/a.txt = two", "App/b.txt = b"],
    )
}

#[test]
fn whiteouts_and_opaque_directories_hide_what_is_below() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer
            .put("Files/a/one", "1")
            .put("Files/a/two", "2")
            .put("Files/b/x/y", "3");
        layer.put("Files/c/z", "4");
    }))?;
    layers.add(&archive(|layer| {
        layer
            .put("Files/A/three", "3")
            .opaque(&path("Files/A"))
            .unwrap();
        // A whiteout says nothing of what the layer has itself.
        layer
            .put("Files/b/new", "n")
            .gone("Files/b")
            .gone("Files/c");
    }))?;
    assert_eq!(
        layers.mount()?.listing()?,
        ["a/", "a/three = 3", "b/", "b/new = n"]
    );
    layers.add(&archive(|layer| {
        layer.gone("Files/a").put("Files/a/again", "x");
    }))?;
    assert_eq!(
        layers.mount()?.listing()?,
        ["a/", "a/again = x", "b/", "b/new = n"]
    );
    layers.add(&archive(|layer| {
        layer
            .put("Files/B/last", "y")
            .opaque(&path("Files"))
            .unwrap();
    }))?;
    assert_eq!(layers.mount()?.listing()?, ["b/", "b/last = y"]);
    Ok(())
}

#[test]
fn hard_links_lead_into_this_layer_and_those_below_and_other_trees() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer.put("Files/Dir/a", "a").stream_of("s", "stream");
        layer
            .hard("UtilityVM/Files/a", "Files/DIR/A")
            .hard("Files/first", "Files/later");
        layer
            .put("Files/later", "later")
            .hard("Files/b", "Files/Dir/a");
    }))?;
    let base = layers.top().to_owned();
    let inode = |path: &str| base.join(path).metadata().map(|metadata| metadata.ino());
    assert_eq!(inode("Files/Dir/a")?, inode("UtilityVM/Files/a")?);
    assert_eq!(inode("Files/b")?, inode("Files/Dir/a")?);
    assert_eq!(inode("Files/b:s")?, inode("Files/Dir/a:s")?);
    assert_eq!(inode("Files/first")?, inode("Files/later")?);
    layers.add(&archive(|layer| {
        layer
            .hard("Files/New/Link", "Files/dir/A")
            .hard("UtilityVM/Files/x", "files/FIRST");
    }))?;
    let top = layers.top();
    assert_eq!(
        top.join("Files/New/Link").metadata()?.ino(),
        inode("Files/Dir/a")?
    );
    assert_eq!(
        std::fs::read_to_string(top.join("Files/New/Link:s"))?,
        "stream"
    );
    assert_eq!(
        std::fs::read_to_string(top.join("UtilityVM/Files/x"))?,
        "later"
    );
    for target in ["Files/absent", "Files/absent/x", "Files/Dir", "Hives/x"] {
        let error = layers
            .add(&archive(|layer| {
                layer.hard("Files/broken", target);
            }))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("test") && text.contains("Files/broken"),
            "{text}"
        );
        std::fs::remove_dir_all(layers.home.path().join("2"))?;
    }
    Ok(())
}

#[test]
fn streams_are_files_beside_theirs_and_go_with_them() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer
            .put("Files/a", "a")
            .stream_of("Zone", "z")
            .stream_of("two", "2");
        layer.put("Files/b", "b").stream_of("s", "s");
        layer.dir("Files/d").stream_of("of dir", "x");
        layer.put("Files/c", "c").stream_of("s", "s");
    }))?;
    let all = [
        "a = a",
        "a:Zone = z",
        "a:two = 2",
        "b = b",
        "b:s = s",
        "c = c",
        "c:s = s",
        "d/",
        "d:of dir = x",
    ];
    holds(&layers.top().join("Files"), &all)?;
    layers.add(&archive(|layer| {
        // Replaced with another case, deleted, replaced by a directory, and one in another case.
        layer
            .put("Files/A", "new")
            .stream_of("ZONE", "new")
            .gone("Files/B")
            .put("Files/c/x", "x");
        layer.dir("Files/D");
    }))?;
    let now = [
        "a = new",
        "a:Zone = new",
        "c/",
        "c/x = x",
        "d/",
        "d:of dir = x",
    ];
    assert_eq!(layers.mount()?.listing()?, now);
    Ok(())
}

#[test]
fn links_lead_to_names_as_they_are_spelt_and_never_out() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer
            .put("Files/Windows/System32/x.dll", "x")
            .put("Files/Users/Me/doc", "d");
    }))?;
    layers.add(&archive(|layer| {
        let junction = Metadata::directory().at(time(3));
        layer
            .junction(
                &path("Files/Documents and Settings"),
                &junction,
                r"C:\users",
            )
            .unwrap();
        layer.link("Files/App/bin/lib", r"\windows\SYSTEM32\X.DLL");
        layer
            .link("Files/App/relative", r"..\windows\NEW\y")
            .link("Files/App/none", r"C:\Absent\x");
        layer
            .link("Files/App/out", r"\\server\share")
            .link("Files/App/drive", r"D:\x");
        layer.link("Files/App/up", r"..\..\..\..\etc\passwd");
        layer.put("Files/windows/new/Y", "y");
    }))?;
    let unpacked = layers.mount()?.listing()?;
    let links: Vec<_> = unpacked.iter().filter(|line| line.contains("->")).collect();
    assert_eq!(
        links,
        [
            "App/bin/lib -> ../../Windows/System32/x.dll",
            "App/drive -> D:\\x",
            "App/none -> ../Absent/x",
            "App/out -> \\\\server\\share",
            "App/relative -> ../Windows/new/Y",
            "App/up -> ../etc/passwd",
            "Documents and Settings -> Users",
        ]
    );
    let union = layers.mount()?;
    assert_eq!(
        std::fs::read_to_string(union.root().join("Documents and Settings/Me/doc"))?,
        "d"
    );
    assert_eq!(
        std::fs::read_to_string(union.root().join("App/bin/lib"))?,
        "x"
    );
    let link = union
        .root()
        .join("Documents and Settings")
        .symlink_metadata()?;
    assert_eq!(
        FileTime::from_unix(link.mtime(), u32::try_from(link.mtime_nsec())?),
        time(3)
    );
    Ok(())
}

#[test]
fn what_windows_keeps_is_where_wine_looks_for_it() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    let mut hidden = Metadata::file().at(time(5));
    hidden.attributes |= attributes::HIDDEN | attributes::SYSTEM | attributes::READ_ONLY;
    let mut secured = Metadata::file().at(time(6));
    secured.security = Some(vec![7; 200]);
    secured.created = time(-100);
    let mut hidden_directory = Metadata::directory().at(time(7));
    hidden_directory.attributes |= attributes::HIDDEN | attributes::READ_ONLY;
    layers.add(&archive(|layer| {
        layer
            .put("Files/plain", "p")
            .put_with("Files/hidden", &hidden, "h");
        layer
            .put_with("Files/secured", &secured, "s")
            .put_with("Files/secured2", &secured, "s");
        layer
            .directory(&path("Files/dir"), &hidden_directory)
            .unwrap();
        layer.put("Files/dir/inside", "changes the directory");
        let old = Metadata::file().at(FileTime(0));
        layer.put_with("Files/old", &old, "1601");
    }))?;
    let at = |name: &str| layers.top().join("Files").join(name);
    let list = |path: &Path| {
        let mut names = [0_u8; 1024];
        let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
        String::from_utf8_lossy(&names[..length]).into_owned()
    };
    assert_eq!(list(&at("plain")), "", "a default file costs nothing");
    assert_eq!(
        xattr(&at("hidden"), "user.DOSATTRIB").as_deref(),
        Some(&b"0x6"[..])
    );
    assert_eq!(list(&at("hidden")), "user.DOSATTRIB\0");
    assert_eq!(at("hidden").metadata()?.mode() & 0o777, 0o444);
    assert_eq!(at("plain").metadata()?.mode() & 0o777, 0o644);
    assert!(
        xattr(&at("secured"), "trusted.porthole.windows").is_some_and(|value| value.len() < 60)
    );
    let modified = |name: &str| -> Result<FileTime> {
        let metadata = at(name).metadata()?;
        Ok(FileTime::from_unix(
            metadata.mtime(),
            u32::try_from(metadata.mtime_nsec())?,
        ))
    };
    assert_eq!((modified("hidden")?, modified("dir")?), (time(5), time(7)));
    assert_eq!(
        xattr(&at("dir"), "user.DOSATTRIB").as_deref(),
        Some(&b"0x2"[..])
    );
    assert_eq!(
        layers.top().join("Metadata").metadata()?.len(),
        220,
        "kept once"
    );
    Ok(())
}

#[test]
fn a_directory_that_no_entry_describes_stays_as_it_is_below() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    let mut described = Metadata::directory().at(time(9));
    described.attributes |= attributes::HIDDEN;
    layers.add(&archive(|layer| {
        layer.directory(&path("Files/Dir"), &described).unwrap();
    }))?;
    // Made by hand: our writer describes every directory.
    let file = [raw("Files/dir/x", b'0', "", 0), vec![0; 1024]].concat();
    layers.add(&file)?;
    let union = layers.mount()?;
    let metadata = union.root().join("Dir").metadata()?;
    assert_eq!(
        FileTime::from_unix(metadata.mtime(), u32::try_from(metadata.mtime_nsec())?),
        time(9)
    );
    assert_eq!(
        xattr(&union.root().join("Dir"), "user.DOSATTRIB").as_deref(),
        Some(&b"0x2"[..])
    );
    Ok(())
}

#[test]
fn the_last_entry_of_a_directory_counts() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    let mut first = Metadata::directory().at(time(1));
    first.attributes |= attributes::HIDDEN | 0x2000;
    layers.add(&archive(|layer| {
        layer.directory(&path("Files/d"), &first).unwrap();
        layer.put("Files/d/x", "x").dir("Files/D").dir("Files/e");
    }))?;
    let names = |name: &str| {
        let mut names = [0_u8; 256];
        let path = layers.top().join("Files").join(name);
        rustix::fs::llistxattr(path, &mut names[..])
    };
    assert_eq!((names("d")?, names("e")?), (0, 0));
    Ok(())
}

#[test]
fn a_layer_of_nothing_is_one() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        layer.put("Files/a", "a");
    }))?;
    let hives = archive(|layer| {
        layer.dir("Hives");
    });
    for nothing in [&[0; 1024][..], &hives] {
        layers.add(nothing)?;
        assert_eq!(layers.mount()?.listing()?, ["a = a"]);
    }
    Ok(())
}

#[test]
fn names_that_no_file_can_have_are_counted() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = Layers::new();
    let long = "中".repeat(100);
    let longest = "x".repeat(250);
    let unpacked = layers.add(&archive(|layer| {
        layer
            .put(&format!("Files/{long}/a"), "a")
            .stream_of("s", "s")
            .put("Files/ok", "ok");
        layer
            .put(&format!("Files/{longest}"), "fits")
            .stream_of("does not", "x")
            .hard("Files/l", &format!("Files/{long}/a"));
    }))?;
    // The directory, the file, its stream, the stream of the longest and the link to the file.
    assert_eq!(unpacked.set_aside.names, 5);
    let warning = unpacked.set_aside.warning().unwrap();
    assert!(
        warning.contains("5 entries") && warning.contains(&long),
        "{warning}"
    );
    holds(
        &layers.top().join("Files"),
        &["ok = ok", &format!("{longest} = fits")],
    )
}

#[test]
fn layers_are_unpacked_side_by_side_and_settled_one_after_another() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let archives: Vec<_> = ["App", "APP", "app"]
        .iter()
        .map(|name| {
            archive(|layer| {
                layer.put(&format!("Files/{name}/{name}.txt"), name);
            })
        })
        .collect();
    let mut layers = Layers::new();
    let unpacked: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = archives
            .iter()
            .enumerate()
            .map(|(index, archive)| {
                let directory = layers.home.path().join(index.to_string());
                scope.spawn(move || {
                    std::fs::create_dir(&directory).unwrap();
                    let unpacked = unpack("x", archive.as_slice(), &directory, &Limits::default());
                    (directory, unpacked.unwrap())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (directory, unpacked) in unpacked {
        settle("x", &directory, &unpacked.unsettled, &layers.lowers())?;
        layers.directories.push(directory);
    }
    ensure!(layers.mount()?.listing()? == ["App/", "App/App.txt = app"]);
    Ok(())
}
