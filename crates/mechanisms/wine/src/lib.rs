//! Kernel packages and the registry a silo's wineserver reads
