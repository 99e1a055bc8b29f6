//! The cases.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use porthole_sandbox::cgroup::{Cgroup, Hierarchies};
use porthole_sandbox::{Identity, Mapped, Report};
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::process::{Resource, Rlimit};

use crate::fixture::{Host, end, next_report, shell};

pub(crate) type Case = (&'static str, fn());

pub(crate) const ALL: [Case; 17] = [
    (
        "an_administrator_is_nobody_outside",
        an_administrator_is_nobody_outside,
    ),
    (
        "a_user_owns_its_profile_and_no_more",
        a_user_owns_its_profile_and_no_more,
    ),
    (
        "what_is_written_to_c_is_roots_on_disk",
        what_is_written_to_c_is_roots_on_disk,
    ),
    ("nothing_of_the_host_is_seen", nothing_of_the_host_is_seen),
    ("privileges_are_gone_for_good", privileges_are_gone_for_good),
    (
        "a_mapped_directory_belongs_to_its_owner",
        a_mapped_directory_belongs_to_its_owner,
    ),
    (
        "a_read_only_mapping_refuses_writes",
        a_read_only_mapping_refuses_writes,
    ),
    ("a_link_on_c_is_not_followed", a_link_on_c_is_not_followed),
    (
        "a_missing_source_fails_by_name",
        a_missing_source_fails_by_name,
    ),
    ("the_task_limit_holds", the_task_limit_holds),
    (
        "asked_limits_are_for_programs_and_not_for_the_build",
        asked_limits_are_for_programs_and_not_for_the_build,
    ),
    ("frozen_means_no_time_passes", frozen_means_no_time_passes),
    (
        "a_frozen_silo_without_a_supervisor_is_removed",
        a_frozen_silo_without_a_supervisor_is_removed,
    ),
    ("a_kill_leaves_nothing", a_kill_leaves_nothing),
    (
        "shared_mounts_of_the_host_stay_as_they_are",
        shared_mounts_of_the_host_stay_as_they_are,
    ),
    (
        "a_network_namespace_is_joined",
        a_network_namespace_is_joined,
    ),
    ("a_silo_is_born_in_a_v2_tree", a_silo_is_born_in_a_v2_tree),
];

fn an_administrator_is_nobody_outside() {
    let mut host = Host::new("admin", Identity::Administrator);
    let outcome = host.run("busybox id -u; busybox cat /proc/self/uid_map; busybox hostname; echo $$; busybox touch /c/new; busybox stat -c %u /c/new /c/file");
    let words: Vec<&str> = outcome.output.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "100000", "65536", "silo", "2", "0", "0"]);
    assert_eq!(
        outcome.report,
        Report::ServiceEnded {
            service: 0,
            how: "exited with 0".to_owned()
        }
    );
}

fn a_user_owns_its_profile_and_no_more() {
    let mut host = Host::new("user", Identity::User);
    let outcome = host.run(
        "busybox id -u; \
         try() { busybox touch $1 2>/dev/null && echo $1; }; \
         try /c/no; try /c/Windows/no; try /c/file; try /bin/no; try /etc/hosts; try /dev/null/x; try /proc/sys/kernel/hostname; try /run/porthole/no; \
         try /c/Users/ContainerUser/Desktop/yes; try /c/Windows/Temp/yes; try /tmp/yes; try /prefix/yes; \
         echo more >>/c/Users/ContainerUser/small && busybox cat /c/Users/ContainerUser/small",
    );
    let lines: Vec<&str> = outcome.output.lines().collect();
    assert_eq!(
        lines,
        [
            "1000",
            "/c/Users/ContainerUser/Desktop/yes",
            "/c/Windows/Temp/yes",
            "/tmp/yes",
            "/prefix/yes",
            "smallmore",
        ]
    );
    let on_disk = |path: &str| fs::metadata(host.path(path)).unwrap().uid();
    assert_eq!(
        on_disk("sandbox/upper/Users/ContainerUser/Desktop/yes"),
        1000
    );
    assert_eq!(on_disk("prefix/yes"), 0);
}

fn what_is_written_to_c_is_roots_on_disk() {
    let mut host = Host::new("disk", Identity::Administrator);
    host.run("echo x >/c/new; busybox mkdir /c/dir; echo y >>/c/file; busybox rm -r /c/Windows; busybox mv /c/dir /c/dir2");
    for path in ["new", "dir2", "file", "Windows"] {
        let found = fs::symlink_metadata(host.path("sandbox/upper").join(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), (0, 0), "{path}");
    }
    assert_eq!(
        fs::read_to_string(host.path("layer/file")).unwrap(),
        "from the layer"
    );
}

fn nothing_of_the_host_is_seen() {
    let mut host = Host::new("hidden", Identity::Administrator);
    let outcome = host.run(
        "busybox ls -1 / /dev; busybox ls -1d /proc/[0-9]*; busybox cat /etc/resolv.conf; busybox ip -o link | busybox wc -l; \
         busybox ls /proc/1/root /proc/1/fd /proc/1/cwd 2>/dev/null; busybox cat /proc/1/environ /proc/kcore /proc/keys /proc/timer_list /proc/cmdline 2>/dev/null; \
         busybox cat /proc/self/cgroup | busybox grep -v ':/$'; busybox ls /sys /sys/devices; busybox ls /proc/self/fd",
    );
    let expected = "/:\nbin\nc\ndev\netc\nprefix\nproc\nrun\nsys\ntmp\n\n\
        /dev:\nfull\nnull\nrandom\nurandom\nzero\n/proc/1\n/proc/2\n/proc/4\nnameserver 10.0.0.1\n1\n\
        /sys:\ndevices\n\n/sys/devices:\nsystem\n0\n1\n2\n3\n";
    assert_eq!(normal(&outcome.output), normal(expected));
}

/// Without the process numbers, which depend on how the shell forks.
fn normal(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("/proc/") || line.ends_with("/1"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn privileges_are_gone_for_good() {
    let mut host = Host::new("caps", Identity::Administrator);
    let outcome = host.run(
        "busybox grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; \
         busybox mount -t tmpfs x /tmp 2>/dev/null && echo mounted; \
         busybox unshare -U true 2>/dev/null && echo unshared; \
         busybox chroot /c true 2>/dev/null && echo chrooted; \
         busybox hostname other 2>/dev/null && echo renamed; \
         busybox touch /tmp/f; busybox chmod u+s /tmp/f 2>/dev/null && echo suid; \
         busybox mknod /tmp/m b 8 0 2>/dev/null && echo device; \
         busybox ip link set lo down 2>/dev/null && echo network; \
         busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
         busybox kill -9 1; echo alive",
    );
    let lines: Vec<String> = outcome
        .output
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let zero = "0000000000000000";
    let expected = [
        format!("CapInh: {zero}"),
        format!("CapPrm: {zero}"),
        format!("CapEff: {zero}"),
        format!("CapBnd: {zero}"),
        format!("CapAmb: {zero}"),
        "NoNewPrivs: 1".to_owned(),
        "Seccomp: 2".to_owned(),
        "0".to_owned(),
        "alive".to_owned(),
    ];
    assert_eq!(lines, expected);
}

fn mapped(host: &Host, target: &[&str], read_only: bool) -> Mapped {
    Mapped {
        source: host.path("shared"),
        target: target.iter().map(|&name| name.to_owned()).collect(),
        read_only,
    }
}

fn a_mapped_directory_belongs_to_its_owner() {
    for (name, identity) in [
        ("bind-a", Identity::Administrator),
        ("bind-u", Identity::User),
    ] {
        let mut host = Host::new(name, identity);
        fs::create_dir(host.path("shared")).unwrap();
        fs::write(host.path("shared/theirs"), "").unwrap();
        fs::write(host.path("single"), "one file").unwrap();
        chown(host.path("shared"), Some(4321), Some(8765)).unwrap();
        host.plan.drive.mapped = vec![
            mapped(&host, &["USERS", "new", "place"], false),
            Mapped {
                source: host.path("single"),
                target: vec!["single.txt".to_owned()],
                read_only: true,
            },
        ];
        let outcome = host.run(
            "busybox touch /c/Users/new/place/mine && busybox stat -c %u /c/Users/new/place/mine; \
             echo x 2>/dev/null >/c/Users/new/place/theirs && echo wrote; busybox cat /c/single.txt",
        );
        let id = identity.id();
        assert_eq!(outcome.output, format!("{id}\none file"), "{name}");
        let mine = fs::metadata(host.path("shared/mine")).unwrap();
        assert_eq!((mine.uid(), mine.gid()), (4321, 8765));
    }
}

fn a_read_only_mapping_refuses_writes() {
    let mut host = Host::new("bind-ro", Identity::Administrator);
    fs::create_dir(host.path("shared")).unwrap();
    host.plan.drive.mapped = vec![mapped(&host, &["data"], true)];
    let outcome = host.run("busybox touch /c/data/x 2>/dev/null || echo refused");
    assert_eq!(outcome.output, "refused\n");
}

fn a_link_on_c_is_not_followed() {
    let mut host = Host::new("bind-link", Identity::Administrator);
    fs::create_dir(host.path("shared")).unwrap();
    std::os::unix::fs::symlink("/etc", host.path("layer/link")).unwrap();
    host.plan.drive.mapped = vec![mapped(&host, &["link", "x"], false)];
    let outcome = host.run("true");
    assert!(
        matches!(&outcome.report, Report::Failed(text) if text.contains("link/x")),
        "{:?}",
        outcome.report
    );
}

fn a_missing_source_fails_by_name() {
    let mut host = Host::new("missing", Identity::Administrator);
    host.plan.drive.layers.push(host.path("absent"));
    let cgroup = host.cgroup();
    let (_ours, inner) = UnixStream::pair().unwrap();
    let prepared = porthole_sandbox::Prepared::new(host.plan.drive.identity).unwrap();
    let connections = porthole_sandbox::Connections {
        channel: std::os::fd::AsFd::as_fd(&inner),
        log: rustix::stdio::stderr(),
    };
    let error =
        porthole_sandbox::Silo::start(&host.plan, &cgroup, &prepared, &connections).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

fn the_task_limit_holds() {
    let mut host = Host::new("pids", Identity::Administrator);
    host.limits.pids = Some(5);
    let outcome = host.run(
        "i=0; while [ $i -lt 20 ]; do busybox sleep 30 >/dev/null & i=$((i+1)); done 2>/dev/null; echo not here",
    );
    assert!(!outcome.output.contains("not here"), "{}", outcome.output);
}

fn asked_limits_are_for_programs_and_not_for_the_build() {
    let mut host = Host::new("limits", Identity::Administrator);
    for number in 0..40 {
        let layer = host.path(&format!("layer-{number}"));
        fs::create_dir(&layer).unwrap();
        host.plan.drive.layers.push(layer);
    }
    let same = |value| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    host.plan.resource_limits = vec![(Resource::Nofile, same(20)), (Resource::Fsize, same(0))];
    let outcome = host.run("ulimit -n; ulimit -f");
    let words: Vec<&str> = outcome.output.split_whitespace().collect();
    assert_eq!(words, ["20", "0"], "{:?}", outcome.report);
}

fn frozen_means_no_time_passes() {
    let mut host = Host::new("freeze", Identity::Administrator);
    host.plan.services = vec![shell("while :; do :; done")];
    let cgroup = host.cgroup();
    let (_ours, inner) = UnixStream::pair().unwrap();
    let mut silo = host.start(&cgroup, &inner);
    assert_eq!(next_report(&silo), Report::Built);
    cgroup.freeze(true).unwrap();
    let before = cgroup.usage().cpu_total_ns;
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(cgroup.usage().cpu_total_ns, before);
    cgroup.freeze(false).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(cgroup.usage().cpu_total_ns > before);
    assert!(cgroup.usage().pids >= 2);
    end(&mut silo);
}

fn a_frozen_silo_without_a_supervisor_is_removed() {
    let mut host = Host::new("orphan", Identity::Administrator);
    host.plan.services = vec![shell("busybox sleep 1000 & busybox sleep 1000")];
    let cgroup = host.cgroup();
    let (_ours, inner) = UnixStream::pair().unwrap();
    let mut silo = host.start(&cgroup, &inner);
    assert_eq!(next_report(&silo), Report::Built);
    cgroup.freeze(true).unwrap();
    let hierarchies = Hierarchies::detect().unwrap();
    Cgroup::remove_orphan(&hierarchies, "silo-test", &host.name).unwrap();
    end(&mut silo);
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

fn a_kill_leaves_nothing() {
    let before = mounts();
    let mut host = Host::new("kill", Identity::Administrator);
    host.plan.services = vec![shell(
        "busybox setsid busybox sleep 1000 & busybox sleep 1000",
    )];
    let cgroup = host.cgroup();
    let (_ours, inner) = UnixStream::pair().unwrap();
    let started = Instant::now();
    let mut silo = host.start(&cgroup, &inner);
    assert_eq!(next_report(&silo), Report::Built);
    let built = started.elapsed();
    let pid = silo.pid();
    end(&mut silo);
    drop(cgroup);
    println!(
        "  built in {built:?}, gone after {:?}",
        started.elapsed() - built
    );
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(mounts(), before);
    let staging = host.path("staging");
    assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
    assert_eq!(
        fs::metadata(staging).unwrap().permissions().mode() & 0o777,
        0o755
    );
}

/// Under systemd every mount of the host is shared.
fn shared_mounts_of_the_host_stay_as_they_are() {
    let mut host = Host::new("shared", Identity::Administrator);
    let place = host.directory.path().to_owned();
    rustix::mount::mount_bind(&place, &place).unwrap();
    let shared = rustix::mount::mount_change(&place, MountPropagationFlags::SHARED);
    let before = mounts();
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shared.unwrap();
        host.run("echo $$").output
    }));
    let after = mounts();
    rustix::mount::unmount(&place, UnmountFlags::DETACH).unwrap();
    assert_eq!(ran.unwrap(), "2\n");
    assert_eq!(after, before);
}

fn a_silo_is_born_in_a_v2_tree() {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let Some(tree) = v2_tree(&table) else {
        println!("  skipped: no v2 tree is mounted");
        return;
    };
    let mut host = Host::new("v2", Identity::Administrator);
    host.plan.services = vec![shell("busybox cat /proc/self/cgroup; busybox sleep 100")];
    let cgroup = host.cgroup_in(&Hierarchies::V2(tree.into()));
    let (ours, inner) = UnixStream::pair().unwrap();
    let mut silo = host.start(&cgroup, &inner);
    drop(inner);
    assert_eq!(next_report(&silo), Report::Built);
    let groups = BufReader::new(ours).lines().map_while(Result::ok);
    // What is a namespace's root inside is the silo's own cgroup outside.
    assert!(
        groups
            .take_while(|line| !line.is_empty())
            .any(|line| line == "0::/")
    );
    cgroup.freeze(true).unwrap();
    cgroup.freeze(false).unwrap();
    end(&mut silo);
}

fn v2_tree(table: &str) -> Option<&str> {
    let line = table.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4)
}

fn a_network_namespace_is_joined() {
    let mut holder = std::process::Command::new("/usr/bin/busybox")
        .args(["unshare", "-n", "busybox", "sleep", "100"])
        .spawn()
        .unwrap();
    let namespace = format!("/proc/{}/ns/net", holder.id());
    let link = || fs::read_link(&namespace).unwrap();
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    while link() == own {
        std::thread::sleep(Duration::from_millis(1));
    }
    let joined = link();
    let mut host = Host::new("net", Identity::User);
    host.plan.network_namespace = Some(namespace.into());
    let outcome = host.run("busybox readlink /proc/self/ns/net; busybox nc -l -p 80 -w 1; echo $?");
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Port 80 can be listened on without privilege: nc ends because nobody calls.
    assert_eq!(outcome.output, format!("{}\n1\n", joined.display()));
}
