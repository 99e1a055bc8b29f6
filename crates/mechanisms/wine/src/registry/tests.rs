use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::{Key, SecurityDescriptor, Value, change, layer, regf, text};

use super::*;
use crate::environment::Account;
use crate::version::OsVersion;

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn base_layer(layer: &Path) {
    for name in ["SYSTEM", "SAM", "SECURITY", "DEFAULT", "SOFTWARE"] {
        let mut root = Key::default();
        root.create(r"Microsoft\Thing")
            .set_value("Of", Value::string(name));
        let bytes = regf::write(&regf::Hive::new(name, root)).unwrap();
        write(
            &layer.join("Files/Windows/System32/config").join(name),
            &bytes,
        );
    }
    let user = regf::write(&regf::Hive::new("NTUSER.DAT", Key::default())).unwrap();
    write(&layer.join("Files/Users/Default/NTUSER.DAT"), &user);
}

fn delta_layer(layer: &Path) {
    let mut root = Key::default();
    root.create(r"Microsoft\Thing")
        .set_value("Of", Value::string("delta"));
    let bytes = regf::write(&regf::Hive::delta("Software_Delta", root)).unwrap();
    write(&layer.join("Hives/Software_Delta"), &bytes);
}

fn chain<'a>(layers: &'a [&'a Path]) -> Chain<'a> {
    Chain {
        layers,
        os_version: None,
        account: Account::ContainerAdministrator,
    }
}

fn tree_of(directory: &Path, name: &str) -> Key {
    text::read(&fs::read(directory.join(name)).unwrap())
        .unwrap()
        .tree
}

fn software_of(directory: &Path) -> String {
    tree_of(directory, SYSTEM_FILE)
        .value_at(r"Software\Microsoft\Thing", "Of")
        .unwrap()
        .as_string()
        .unwrap()
}

#[test]
fn merges_once_and_clones() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    delta_layer(&top);
    let cache = RegistryCache::new(data.path());
    let plain = cache.prepare(&chain(&[&base])).unwrap();
    assert_eq!(software_of(plain.directory()), "SOFTWARE");
    let merged = cache.prepare(&chain(&[&base, &top])).unwrap();
    assert_eq!(software_of(merged.directory()), "delta");

    fs::remove_dir_all(base.join("Files/Windows")).unwrap();
    let again = cache.prepare(&chain(&[&base, &top])).unwrap();
    let target = data.path().join("container");
    fs::create_dir(&target).unwrap();
    again.clone_into(&target).unwrap();
    assert_eq!(software_of(&target), "delta");
}

#[test]
fn a_clone_that_a_power_cut_or_its_container_broke_is_not_complete() {
    let data = tempfile::tempdir().unwrap();
    let base = data.path().join("base");
    base_layer(&base);
    let cached = RegistryCache::new(data.path())
        .prepare(&chain(&[&base]))
        .unwrap();
    let target = data.path().join("container");
    assert!(!is_complete(&target));
    cached.clone_into(&target).unwrap();
    assert!(is_complete(&target));
    let user = target.join(USER_FILE);
    let whole = fs::read(&user).unwrap();
    fs::write(&user, b"").unwrap();
    assert!(!is_complete(&target));
    fs::write(&user, vec![0; whole.len()]).unwrap();
    assert!(!is_complete(&target));
    fs::remove_file(&user).unwrap();
    std::os::unix::fs::symlink(cached.directory().join(USER_FILE), &user).unwrap();
    assert!(!is_complete(&target));
}

#[test]
fn a_base_without_hives_or_with_links_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let base = data.path().join("base");
    let cache = RegistryCache::new(data.path());
    base_layer(&base);
    let hive = base.join("Files/Windows/System32/config/SAM");
    fs::rename(&hive, data.path().join("outside")).unwrap();
    let refused = |layers: &[&Path]| cache.prepare(&chain(layers)).unwrap_err();
    assert_eq!(refused(&[&base]).kind(), ErrorKind::Malformed);
    std::os::unix::fs::symlink(data.path().join("outside"), &hive).unwrap();
    assert_eq!(refused(&[&base]).kind(), ErrorKind::Malformed);
    assert_eq!(refused(&[]).kind(), ErrorKind::Malformed);
    assert_eq!(refused(&[Path::new("/")]).kind(), ErrorKind::Malformed);
}

#[test]
fn a_hive_that_is_none_is_named_with_its_layer() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    let cache = RegistryCache::new(data.path());
    let sound = regf::write(&regf::Hive::delta("x", Key::default())).unwrap();
    let mut cyclic = regf::write(&regf::Hive::delta("x", deep(3))).unwrap();
    // The first key's list of subkeys leads back to it.
    let list = cyclic.windows(2).position(|pair| pair == b"lh").unwrap();
    cyclic[list + 4..list + 8].copy_from_slice(&0x20_u32.to_le_bytes());
    for (bytes, reason) in [
        (b"not a hive".to_vec(), "not a hive"),
        (sound[..4200].to_vec(), "ends too early"),
        (cyclic, "ancestor"),
    ] {
        write(&top.join("Hives/Software_Delta"), &bytes);
        let error = cache.prepare(&chain(&[&base, &top])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let place = top.join("Hives/Software_Delta").display().to_string();
        assert!(error.to_string().contains(&place), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(reason), "{cause}");
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 2);
    }
}

fn deep(levels: usize) -> Key {
    let mut root = Key::default();
    root.create(&["k"; 512][..levels].join(r"\"));
    root
}

#[test]
fn as_deep_as_a_layer_may_be_a_container_of_it_starts_and_is_compared() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    let cache = RegistryCache::new(data.path());
    let mut special = SecurityDescriptor::hive_default().as_bytes().to_vec();
    special.push(9);
    let special = SecurityDescriptor::from_bytes(&special);
    let user = top.join("Files/Users/ContainerAdministrator/NTUSER.DAT");
    let software = top.join("Hives/Software_Delta");
    for (levels, is_sound) in [(text::MAX_DEPTH, true), (text::MAX_DEPTH + 1, false)] {
        let lay = |path: &Path, levels: usize| {
            let mut root = deep(levels);
            let deepest = root.open_mut(&["k"; 512][..levels].join(r"\"));
            deepest.unwrap().security.clone_from(&special);
            write(path, &regf::write(&regf::Hive::new("x", root)).unwrap());
        };
        for (place, levels) in [(&user, levels), (&software, levels - 1)] {
            lay(place, levels);
            let prepared = cache.prepare(&chain(&[&base, &top]));
            fs::remove_file(place).unwrap();
            if !is_sound {
                assert_eq!(prepared.unwrap_err().kind(), ErrorKind::Malformed);
                continue;
            }
            let prepared = prepared.unwrap();
            let mut texts = RegistryTexts::read(prepared.directory()).unwrap().unwrap();
            (texts.machine, texts.user) = (Vec::new(), Vec::new());
            prepared.changes(&texts, &HostRoots::of([])).unwrap();
            fs::remove_dir_all(prepared.directory()).unwrap();
        }
    }
}

#[test]
fn deltas_are_found_in_any_spelling() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    delta_layer(&top);
    fs::rename(
        top.join("Hives/Software_Delta"),
        top.join("Hives/SOFTWARE_DELTA"),
    )
    .unwrap();
    fs::rename(top.join("Hives"), top.join("hives")).unwrap();
    let merged = RegistryCache::new(data.path())
        .prepare(&chain(&[&base, &top]))
        .unwrap();
    assert_eq!(software_of(merged.directory()), "delta");
}

#[test]
fn the_name_in_the_cache_is_of_the_whole_chain_and_what_depends_on_it() {
    let data = tempfile::tempdir().unwrap();
    let [base, other, top] = ["base", "other", "top"].map(|name| data.path().join(name));
    for layer in [&base, &other] {
        base_layer(layer);
    }
    delta_layer(&top);
    let name = |layers: &[&Path], os_version: Option<&str>, account| {
        let os_version = os_version.map(|version| version.parse().unwrap());
        let chain = Chain {
            layers,
            os_version,
            account,
        };
        chain.name().unwrap()
    };
    let user = Account::ContainerUser;
    let plain = name(&[&base, &top], None, user);
    assert!(plain.starts_with("top-"), "{plain}");
    assert_eq!(
        plain,
        name(&[&base, &top], None, Account::ContainerAdministrator)
    );
    assert_ne!(plain, name(&[&other, &top], None, user));
    assert_ne!(plain, name(&[&base, &top], Some("10.0.17763.1"), user));
    write(&top.join("Files/Users/ContainerUser/NTUSER.DAT"), b"");
    assert_ne!(plain, name(&[&base, &top], None, user));
    assert_eq!(
        plain,
        name(&[&base, &top], None, Account::ContainerAdministrator)
    );
}

#[test]
fn programs_see_the_version_that_the_image_names() {
    let data = tempfile::tempdir().unwrap();
    let base = data.path().join("base");
    base_layer(&base);
    let os_version: OsVersion = "10.0.26100.7".parse().unwrap();
    let cached = RegistryCache::new(data.path())
        .prepare(&Chain {
            os_version: Some(os_version),
            ..chain(&[&base])
        })
        .unwrap();
    let tree = tree_of(cached.directory(), SYSTEM_FILE);
    let path = r"Software\Microsoft\Windows NT\CurrentVersion";
    let build = tree.value_at(path, "CurrentBuild").unwrap();
    assert_eq!(build.as_string().as_deref(), Some("26100"));
    // Nothing of that is a change.
    let texts = RegistryTexts::read(cached.directory()).unwrap().unwrap();
    assert_eq!(
        cached.changes(&texts, &HostRoots::of([])).unwrap(),
        Changes::default()
    );
}

#[test]
fn what_a_delta_says_of_the_link_is_about_the_set_behind_it() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    let mut system = Key::default();
    system
        .create(r"ControlSet001\Services\X")
        .set_value("Start", Value::dword(3));
    let link = system.create("CurrentControlSet");
    link.symlink = true;
    let target = Value::link(r"\Registry\Machine\System\ControlSet001");
    link.set_value("SymbolicLinkValue", target.clone());
    let hive = regf::write(&regf::Hive::new("SYSTEM", system)).unwrap();
    write(&base.join("Files/Windows/System32/config/SYSTEM"), &hive);
    let mut delta = Key::default();
    delta
        .create(r"currentcontrolset\Services\X")
        .set_value("Start", Value::dword(2));
    delta.create(r"ControlSet001\Services\Y");
    let hive = regf::write(&regf::Hive::delta("System_Delta", delta)).unwrap();
    write(&top.join("Hives/System_Delta"), &hive);
    let merged = RegistryCache::new(data.path())
        .prepare(&chain(&[&base, &top]))
        .unwrap();
    let tree = tree_of(merged.directory(), SYSTEM_FILE);
    let start = tree.value_at(r"System\ControlSet001\Services\X", "Start");
    assert_eq!(start, Some(&Value::dword(2)));
    assert!(tree.open(r"System\ControlSet001\Services\Y").is_some());
    let link = tree.open(r"System\CurrentControlSet").unwrap();
    assert_eq!(
        (link.symlink, link.value("SymbolicLinkValue")),
        (true, Some(&target))
    );
}

/// A user hive that says where it is from.
fn user_hive(layer: &Path, user: &str, mark: &str) {
    let mut root = Key::default();
    root.set_value("From", Value::string(mark));
    let bytes = regf::write(&regf::Hive::new("NTUSER.DAT", root)).unwrap();
    write(
        &layer.join(format!("Files/Users/{user}/NTUSER.DAT")),
        &bytes,
    );
}

#[test]
fn a_users_hive_is_its_accounts_where_a_layer_has_one() {
    let data = tempfile::tempdir().unwrap();
    let layers = ["base", "1", "2", "3", "4"].map(|name| data.path().join(name));
    base_layer(&layers[0]);
    user_hive(&layers[0], "Default", "template");
    user_hive(&layers[1], "ContainerAdministrator", "own");
    user_hive(&layers[2], "Default", "newer template");
    let from = |count: usize, account| {
        let layers: Vec<&Path> = layers[..count].iter().map(PathBuf::as_path).collect();
        let cached_in = tempfile::tempdir().unwrap();
        let cache = RegistryCache::new(cached_in.path());
        let cached = cache
            .prepare(&Chain {
                account,
                ..chain(&layers)
            })
            .unwrap();
        let tree = tree_of(cached.directory(), USER_FILE);
        tree.value("From").unwrap().as_string().unwrap()
    };
    let administrator = Account::ContainerAdministrator;
    assert_eq!(from(1, administrator), "template");
    assert_eq!(from(2, administrator), "own");
    assert_eq!(from(3, administrator), "own");
    assert_eq!(from(2, Account::ContainerUser), "template");
    assert_eq!(from(3, Account::ContainerUser), "newer template");
    // Programs may put anything in the place of the profile: it hides the hive, and no more.
    let users = layers[3].join("Files/Users");
    fs::create_dir_all(&users).unwrap();
    let profile = users.join("ContainerAdministrator");
    std::os::unix::fs::symlink("../elsewhere", &profile).unwrap();
    assert_eq!(from(4, administrator), "newer template");
    fs::remove_file(&profile).unwrap();
    fs::create_dir_all(profile.join("NTUSER.DAT")).unwrap();
    assert_eq!(from(4, administrator), "newer template");
    fs::remove_dir_all(&users).unwrap();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: whiteouts are made by root");
        return;
    }
    // The profile is deleted; later there is a new one, in a directory that hides the old.
    let users = layers[3].join("Files/Users");
    fs::create_dir_all(&users).unwrap();
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, Mode::empty());
    let whiteout = users.join("ContainerAdministrator");
    rustix::fs::mknodat(rustix::fs::CWD, &whiteout, kind, mode, 0).unwrap();
    assert_eq!(from(4, administrator), "newer template");
    let profile = layers[4].join("Files/Users/ContainerAdministrator");
    fs::create_dir_all(&profile).unwrap();
    assert_eq!(from(5, administrator), "newer template");
    fs::remove_file(&whiteout).unwrap();
    assert_eq!(from(5, administrator), "own");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&profile, "trusted.overlay.opaque", b"y", flags).unwrap();
    assert_eq!(from(5, administrator), "newer template");
}

#[test]
fn changes_keep_the_security_of_the_image_and_become_the_next_layer() {
    let data = tempfile::tempdir().unwrap();
    let (base, top) = (data.path().join("base"), data.path().join("top"));
    base_layer(&base);
    let mut special = SecurityDescriptor::hive_default().as_bytes().to_vec();
    special.push(9);
    let special = SecurityDescriptor::from_bytes(&special);
    let mut software = Key::default();
    let locked = software.create(r"Microsoft\Locked");
    locked.security.clone_from(&special);
    locked.set_value("a", Value::dword(1));
    locked.create("Below").security.clone_from(&special);
    let hive = regf::write(&regf::Hive::new("SOFTWARE", software)).unwrap();
    write(&base.join("Files/Windows/System32/config/SOFTWARE"), &hive);
    let cache = RegistryCache::new(data.path());
    let cached = cache.prepare(&chain(&[&base])).unwrap();

    let mut machine = tree_of(cached.directory(), SYSTEM_FILE);
    machine
        .create(r"Software\Microsoft\Locked\Below\New")
        .set_value("b", Value::dword(2));
    machine.create("Elsewhere");
    machine.set_value("At the root", Value::dword(1));
    let mut user = tree_of(cached.directory(), USER_FILE);
    user.create("Environment")
        .set_value("X", Value::string("1"));
    let text = |root, tree| text::write(&text::Document::new(root, tree));
    let after = RegistryTexts {
        machine: text(text::MACHINE, machine.clone()),
        user: text(text::USER, user.clone()),
        default_user: fs::read(cached.directory().join(DEFAULT_USER_FILE)).unwrap(),
    };
    let changes = cached.changes(&after, &HostRoots::of([])).unwrap();
    assert_eq!(changes.outside, ["Elsewhere", ""]);
    let hives: Vec<_> = changes.hives.iter().map(|change| change.hive).collect();
    assert_eq!(
        hives,
        [MountedHive::Image(HiveKind::Software), MountedHive::User]
    );
    let [software, own] = &changes.hives[..] else {
        panic!()
    };
    let delta = regf::read(&software.delta).unwrap().root;
    let before = regf::read(&software.before).unwrap().root;
    assert_eq!(change::changes(&before, &delta).len(), 2);
    let security = |path: &str| delta.open(path).unwrap().security.clone();
    assert_eq!(security(r"Microsoft\Locked"), special);
    assert_eq!(security(r"Microsoft\Locked\Below\New"), special);
    assert_eq!(
        security("Microsoft"),
        Some(SecurityDescriptor::hive_default())
    );

    write(&top.join("Hives/Software_Delta"), &software.delta);
    let whole = own.whole.as_deref().unwrap();
    write(
        &top.join("Files/Users/ContainerAdministrator/NTUSER.DAT"),
        whole,
    );
    let next = cache.prepare(&chain(&[&base, &top])).unwrap();
    machine.delete("Elsewhere");
    machine.remove_value("At the root");
    assert_eq!(
        layer::difference(&tree_of(next.directory(), SYSTEM_FILE), &machine),
        None
    );
    assert_eq!(
        layer::difference(&tree_of(next.directory(), USER_FILE), &user),
        None
    );
    let between = between_chains(&chain(&[&base]), &chain(&[&base, &top])).unwrap();
    assert_eq!(between.hives[0].delta, software.delta);
    assert_eq!(between.hives[0].before, software.before);
    assert_eq!(between.hives.len(), 2);
    assert_eq!(
        between_chains(&chain(&[]), &chain(&[&base]))
            .unwrap()
            .hives
            .len(),
        6
    );
}
