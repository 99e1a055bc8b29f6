//! Generates the gRPC service from `proto/`, with the protoc that a crate brings along: a fresh
//! machine has none.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Asked when it runs: a script that was compiled in another checkout is used here, too.
    let root = format!("{}/../../proto", std::env::var("CARGO_MANIFEST_DIR")?);
    let service = format!("{root}/porthole/compute/v1/compute.proto");
    println!("cargo::rerun-if-changed={service}");
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    tonic_prost_build::configure().compile_with_config(
        config,
        &[service.as_str()],
        &[root.as_str()],
    )?;
    Ok(())
}
