//! Windows paths, command lines and environments as Windows parses them

#![forbid(unsafe_code)]
