//! Network namespaces, bridges, endpoints, address management and the firewall
