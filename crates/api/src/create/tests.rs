use serde_json::json;

use super::*;

/// What docker 28.2.2 sends for `docker run --rm porthole/nanoserver cmd /c ver`.
const DOCKER_RUN: &str = include_str!("../../tests/data/docker-run-28.2.2.json");

fn parse_value(value: Value) -> Result<CreateContainer, ApiError> {
    let Value::Object(object) = value else {
        panic!("an object is needed")
    };
    parse(object, None)
}

fn refusal(value: Value) -> String {
    parse_value(value)
        .expect_err("a refusal")
        .message()
        .to_owned()
}

#[test]
fn what_the_docker_cli_sends_by_default_passes() {
    let request = parse_value(serde_json::from_str(DOCKER_RUN).expect("JSON")).expect("a request");
    assert_eq!(request.config.image, "porthole/nanoserver");
    assert_eq!(
        request.config.cmd.as_deref(),
        Some(["cmd", "/c", "echo", "hi"].map(str::to_owned).as_slice())
    );
    assert!(request.config.attach_stdout && !request.config.tty);
    assert!(request.host.auto_remove);
    assert_eq!(request.host.network_mode, "default");
}

#[test]
fn supported_fields_reach_the_engine() {
    let request = parse_value(json!({
        "Image": "porthole/nanoserver",
        "Entrypoint": "cmd",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"a": "b"},
        "StopTimeout": 5,
        "Healthcheck": {"test": ["CMD", "x"], "Interval": 1_000_000, "Retries": 2},
        "HostConfig": {
            "Binds": ["/srv:C:\\srv:ro"],
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "Isolation": "process",
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "Memory": 67108864,
            "NanoCpus": 500000000,
            "ConsoleSize": [24, 80]
        },
        "NetworkingConfig": {"EndpointsConfig": {"none": {}}}
    }))
    .expect("a request");
    assert_eq!(request.config.entrypoint, Some(vec!["cmd".to_owned()]));
    assert_eq!(request.config.stop_timeout, Some(5));
    let check = request.config.healthcheck.as_ref().expect("a health check");
    assert_eq!(
        (check.test.len(), check.interval, check.retries),
        (2, 1_000_000, 2)
    );
    assert_eq!(request.host.restart, RestartPolicy::OnFailure(3));
    assert_eq!(request.host.console_size, [24, 80]);
    let resources = request.host.resources;
    assert_eq!(
        (resources.memory, resources.nano_cpus),
        (64 << 20, 500_000_000)
    );
    assert_eq!(request.host.network_mode, "none");
    let bindings: Vec<_> = request.host.port_bindings.values().flatten().collect();
    assert_eq!(
        (bindings[0].host_ip.as_str(), bindings[0].host_port.as_str()),
        ("127.0.0.1", "8080")
    );
}

#[test]
fn names_compare_without_case_as_in_go() {
    let request =
        parse_value(json!({"image": "x", "hostconfig": {"autoremove": true}})).expect("a request");
    assert_eq!(request.config.image, "x");
    assert!(request.host.auto_remove);
    assert!(refusal(json!({"hostconfig": {"privileged": true}})).contains("privileged mode"));
}

#[test]
fn unsupported_options_are_refused_by_name() {
    for (host, sentence) in [
        (
            json!({"Privileged": true}),
            "invalid option: privileged mode is not supported for Windows containers",
        ),
        (
            json!({"CpusetCpus": "0"}),
            "invalid option: Windows does not support CpusetCpus",
        ),
        (
            json!({"CpuPeriod": 1}),
            "invalid option: Windows does not support CPUPeriod",
        ),
        (
            json!({"OomScoreAdj": 5}),
            "invalid option: Windows does not support OomScoreAdj",
        ),
        (
            json!({"MemorySwappiness": 0}),
            "invalid option: Windows does not support MemorySwappiness",
        ),
        (
            json!({"IOMaximumIOps": 5}),
            "invalid option: this version of Porthole does not support IOMaximumIOps",
        ),
        (
            json!({"Mounts": [{}]}),
            "invalid option: this version of Porthole does not support Mounts",
        ),
        (
            json!({"Sysctls": {"a": ""}}),
            "invalid option: Windows does not support Sysctls",
        ),
        (
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}),
            "invalid restart policy: maximum retry count cannot be negative",
        ),
        (
            json!({"Teleport": true}),
            "invalid option: Porthole does not know the option Teleport",
        ),
    ] {
        assert_eq!(refusal(json!({"Image": "x", "HostConfig": host})), sentence);
    }
    assert_eq!(
        refusal(json!({"Volumes": {"C:\\v": {}}})),
        "invalid option: this version of Porthole does not support Volumes"
    );
    assert_eq!(
        refusal(json!({"Healthcheck": {"Http": "x"}})),
        "invalid JSON: Healthcheck: Porthole does not know the option Http"
    );
}

#[test]
fn zero_values_of_unsupported_options_pass() {
    let request = json!({
        "Healthcheck": {"Test": [], "Interval": 0},
        "Volumes": {},
        "Teleport": false,
        "HostConfig": {"MemorySwappiness": -1, "PidsLimit": -1, "CapAdd": [], "Init": false, "Tmpfs": {}}
    });
    let request = parse_value(request).expect("a request");
    assert_eq!(request.config.healthcheck, None);
}

#[test]
fn null_is_gos_zero_value_and_no_key_vanishes() {
    let request = parse_value(json!({
        "Image": "x",
        "Cmd": null,
        "ExposedPorts": {"80/tcp": null},
        "Labels": {"a": null},
        "Env": ["A=1"],
        "StopTimeout": null,
        "HostConfig": {
            "PortBindings": {"81/tcp": null, "82/tcp": [null]},
            "Binds": null,
            "LogConfig": null,
        },
        "NetworkingConfig": {"EndpointsConfig": {"nat": null}}
    }))
    .expect("a request");
    assert_eq!(request.config.exposed_ports.len(), 1);
    assert_eq!(request.config.labels["a"], "");
    assert_eq!(
        (request.config.cmd, request.config.stop_timeout),
        (None, None)
    );
    let bindings: Vec<_> = request.host.port_bindings.values().map(Vec::len).collect();
    assert_eq!(bindings, [0, 1]);
    assert_eq!(request.host.network_mode, "nat");
    for networking in [json!(null), json!({"EndpointsConfig": null})] {
        assert!(parse_value(json!({"HostConfig": null, "NetworkingConfig": networking})).is_ok());
    }
    assert!(
        refusal(json!({"HostConfig": {"Sysctls": {"a": null}}}))
            .ends_with("does not support Sysctls")
    );
}

#[test]
fn a_log_driver_comes_with_its_options() {
    let request = parse_value(json!({
        "HostConfig": {"LogConfig": {"Type": "local", "Config": {"max-size": "1m"}}}
    }))
    .expect("a request");
    assert_eq!(request.host.log.driver, "local");
    assert_eq!(request.host.log.options["max-size"], "1m");
}

#[test]
fn parts_of_fields_are_read_as_strictly_as_fields() {
    let request = parse_value(json!({
        "HostConfig": {"PortBindings": {"80/tcp": [{"hostport": "8080"}]}}
    }))
    .expect("a request");
    let binding = request.host.port_bindings.values().flatten().next();
    assert_eq!(binding.map(|it| it.host_port.as_str()), Some("8080"));
    assert_eq!(
        refusal(json!({"HostConfig": {"LogConfig": {"Tag": "x"}}})),
        "invalid JSON: LogConfig: Porthole does not know the option Tag"
    );
    assert!(refusal(json!({"Cmd": [1]})).starts_with("invalid JSON: a command is a list"));
}

#[test]
fn wrong_types_and_ports_are_refused() {
    assert!(refusal(json!({"Image": 3})).starts_with("invalid JSON: "));
    assert!(refusal(json!({"HostConfig": []})).starts_with("invalid JSON: "));
    assert!(refusal(json!({"ExposedPorts": {"x": {}}})).contains("invalid port specification"));
    assert!(
        refusal(json!({"HostConfig": {"PortBindings": {"80/sctp": []}}}))
            .contains("invalid port specification")
    );
}

#[test]
fn endpoints_ask_for_nothing_that_is_not_there() {
    let endpoint =
        |settings: Value| json!({"NetworkingConfig": {"EndpointsConfig": {"default": settings}}});
    assert!(parse_value(endpoint(json!({"IPAMConfig": {}, "Aliases": []}))).is_ok());
    assert!(refusal(endpoint(json!({"Aliases": ["a"]}))).ends_with("does not support Aliases"));
    assert!(
        refusal(endpoint(json!({"IPAMConfig": {"IPv4Address": "10.0.0.1"}})))
            .ends_with("does not support IPAMConfig")
    );
    let two = json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}});
    assert!(refusal(two).contains("more than one entry"));
    let other = json!({"HostConfig": {"NetworkMode": "nat"}, "NetworkingConfig": {"EndpointsConfig": {"none": {}}}});
    assert!(refusal(other).starts_with("conflicting options"));
}
