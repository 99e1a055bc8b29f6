//! Images, layers, sandboxes and records: content-addressed blobs and a transactional store
