//! Cases of silos with a limit of memory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use porthole_sandbox::cgroup::Limits;
use porthole_sandbox::{Identity, Report};

use crate::cases::Case;
use crate::fixture::{Host, end, next_report, shell};

pub(crate) const ALL: [Case; 5] = [
    (
        "running_out_of_memory_is_counted",
        running_out_of_memory_is_counted,
    ),
    (
        "programs_are_killed_for_memory_before_init",
        programs_are_killed_for_memory_before_init,
    ),
    (
        "without_a_limit_the_hosts_memory_is_seen",
        without_a_limit_the_hosts_memory_is_seen,
    ),
    (
        "a_limit_of_memory_is_seen_as_all_there_is",
        a_limit_of_memory_is_seen_as_all_there_is,
    ),
    (
        "askers_can_be_stopped_and_killed",
        askers_can_be_stopped_and_killed,
    ),
];

/// Prints what `sysinfo` says, in KiB in all and free, and then `/proc/meminfo`, in one line.
const ASK: &str = "set -- $(busybox free -k | busybox grep Mem:); echo $2 $4 \
     $(busybox awk '/^Mem(Total|Available)/{print $2}' /proc/meminfo)";

/// KiB that `sysinfo` tells of beside all there is, because Wine leaves them out.
const PAGE: u64 = 4;

fn running_out_of_memory_is_counted() {
    let mut host = Host::new("memory", Identity::Administrator);
    host.limits.memory = Some(16 << 20);
    let outcome = host
        .run("busybox head -c 100000000 /dev/zero | busybox tail -c 100000000 >/dev/null; echo $?");
    assert!(outcome.out_of_memory_kills > 0, "{}", outcome.output);
}

fn programs_are_killed_for_memory_before_init() {
    let mut host = Host::new("kill-order", Identity::User);
    let outcome = host.run(
        "cat /proc/1/oom_score_adj /proc/self/oom_score_adj; echo -1 >/proc/self/oom_score_adj || echo refused",
    );
    let said: Vec<&str> = outcome.output.lines().collect();
    assert_eq!(said.first(), Some(&"0"), "{}", outcome.output);
    assert_eq!(said.get(1), Some(&"100"), "{}", outcome.output);
    assert_eq!(said.last(), Some(&"refused"), "{}", outcome.output);
}

fn without_a_limit_the_hosts_memory_is_seen() {
    let mut host = Host::new("unlimited", Identity::User);
    let outcome = host.run(ASK);
    let figures = numbers(&outcome.output);
    let total = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = numbers(total.lines().next().unwrap())[0];
    assert_eq!((figures[0], figures[2]), (total, total));
}

fn a_limit_of_memory_is_seen_as_all_there_is() {
    let mut host = Host::new("limited", Identity::User);
    host.limits.memory = Some(64 << 20);

    let script = format!(
        "{ASK}; read -r line; {ASK}; echo x 2>/dev/null >/proc/meminfo || echo refused; read -r line"
    );
    host.plan.services = vec![shell(&script)];
    let mut cgroup = host.cgroup();
    let (mut ours, inner) = UnixStream::pair().unwrap();
    let mut silo = host.start(&cgroup, &inner);
    drop(inner);
    assert_eq!(next_report(&silo), Report::Built);
    let mut lines = BufReader::new(ours.try_clone().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let first = numbers(&next());
    assert_eq!((first[0], first[2]), ((64 << 10) + PAGE, 64 << 10));
    for available in [first[1], first[3]] {
        assert!((32 << 10..64 << 10).contains(&available), "{first:?}");
    }
    let limits = Limits {
        memory: Some(96 << 20),
        ..Limits::default()
    };
    cgroup.update(&limits).unwrap();
    ours.write_all(b"go on\n").unwrap();
    let second = numbers(&next());
    assert_eq!((second[0], second[2]), ((96 << 10) + PAGE, 96 << 10));
    assert!(second[3] > first[3], "{first:?} {second:?}");
    assert_eq!(next(), "refused");
    end(&mut silo);
}

fn askers_can_be_stopped_and_killed() {
    let mut host = Host::new("asker", Identity::User);
    host.limits.memory = Some(64 << 20);
    let ask = "while :; do busybox free >/dev/null; done";
    host.plan.services = vec![shell(&format!("{ask} & {ask} & {ask}"))];
    let cgroup = host.cgroup();
    let (_ours, inner) = UnixStream::pair().unwrap();
    let mut silo = host.start(&cgroup, &inner);
    assert_eq!(next_report(&silo), Report::Built);
    let deadline = Instant::now() + Duration::from_secs(20);
    while cgroup.usage().cpu_total_ns < 200_000_000 {
        assert!(Instant::now() < deadline, "nothing happens inside");
        std::thread::sleep(Duration::from_millis(1));
    }
    // With callers that wait for an answer.
    cgroup.freeze(true).unwrap();
    cgroup.freeze(false).unwrap();
    end(&mut silo);
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
