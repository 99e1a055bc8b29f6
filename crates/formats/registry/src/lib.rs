//! Registry hives: regf files, Wine's registry text, and the union of layers

#![forbid(unsafe_code)]
