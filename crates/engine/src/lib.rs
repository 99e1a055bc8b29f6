//! What Docker means: containers, execs, images, events
