//! Linux namespaces, mounts, ID maps, cgroups and seccomp for one silo
