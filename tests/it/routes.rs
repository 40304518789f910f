//! (stories follow)
