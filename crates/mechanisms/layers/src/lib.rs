//! Layers between archive and directory.
