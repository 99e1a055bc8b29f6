//! Builds kernel packages and base OS images from Debian's Wine packages
