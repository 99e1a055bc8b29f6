//! End-to-end tests: the docker CLI, real Windows programs, probes inside
