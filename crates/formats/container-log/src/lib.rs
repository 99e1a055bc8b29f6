//! Container log lines (json-file) and Docker's multiplexed stream frames

#![forbid(unsafe_code)]
