//! Network namespaces, bridges, endpoints, address management and the firewall.
//!
//! Two networks: `nat`, a bridge of the host's with translation to the outside and published
//! ports, and `none`, loopback only. An [`Endpoint`] is a container's place in one of them: a
//! network namespace bound to `<exec-root>/netns/<id>`, and in `nat` an interface `Ethernet` with
//! an address in it.
//!
//! ```text
//!   namespace of an endpoint          host
//!   ┌──────────────────────┐    ┌───────────────┐  masquerade
//!   │ lo   Ethernet ───────┼────┼─ veth ─ porthole0 ─────────▶ uplink
//!   └──────────────────────┘    └───────────────┘  ◀───────── published ports (DNAT)
//! ```
//!
//! [`Network`] is the handle. It keeps no state that a crash can lose: what exists is written to
//! `<exec-root>/network/` before it is made in the kernel, and [`Network::reconcile`] removes what
//! nobody claims and restores what is missing. The firewall is one nftables table of our own,
//! `inet porthole`; where another firewall drops what is forwarded, rules in *its* chain let our
//! bridge through (see [`Network::prepare`]).

mod address;
mod connect;
mod conntrack;
mod endpoint;
mod error;
mod firewall;
mod forwarding;
mod link;
mod namespace;
mod nat;
mod network;
mod port;
mod record;
mod resolver;
mod sysctl;
mod tool;
mod traffic;
mod watch;

pub use endpoint::{Address, Endpoint, EndpointSpec, NetworkKind, PortRequest, PublishedPort};
pub use error::{Error, ErrorKind, Result};
pub use network::{Nat, Network, Options, Reconciled, Teardown};
pub use porthole_protocol::supervisor::Transport;
pub use resolver::Resolver;
pub use traffic::{Counters, Traffic};
