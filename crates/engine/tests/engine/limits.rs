//! Limits of what a container may use.

use crate::support::{World, request, within};
use porthole_engine::container::resources::Resources;

#[tokio::test]
async fn limits_reach_the_compute_service() {
    let world = World::new().await;
    world.know_server();
    let mut limited = request("s", &["server.exe"]);
    limited.host.resources = Resources {
        memory: 64 << 20,
        cpu_shares: 7,
        cpu_percent: 50,
        ..Resources::default()
    };
    let created = within(world.engine.create_container(limited))
        .await
        .unwrap();
    assert_eq!(
        created.warnings,
        [
            "Conflicting options: CPU shares takes priority over CPU percent on Windows Server Containers. CPU percent discarded"
        ]
    );
    world.start("s").await.unwrap();
    let limits = world.script.limits(&created.id).unwrap();
    assert_eq!(
        (limits.memory, limits.processors, limits.processor_weight),
        (Some(64 << 20), None, Some(7))
    );
    let container = world.engine.inspect_container("s").unwrap();
    assert_eq!(container.host.resources.cpu_percent, 0);
}
