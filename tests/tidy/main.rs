//! Keeps the rules of the house: it reads the source tree as text and fails where one is broken.
//!
//! `rules.rs` holds the rules and their tables, `source.rs` reads Rust, `samples.rs` proves that each rule can fail.

mod rules;
mod samples;
mod source;

use source::Tree;
use std::path::Path;

fn check(rule: fn(&Tree) -> Vec<String>, why: &str) {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.rust.iter().any(|s| s.path == "src/lib.rs"), "the source tree was not found");
    let broken = rule(&tree);
    assert!(broken.is_empty(), "\n\n  {}\n\nWhy: {why}.\n", broken.join("\n  "));
}

#[test]
fn no_room_reaches_into_the_store_of_another() {
    check(rules::foreign_stores, rules::WHY_STORE);
}

#[test]
fn sql_stands_in_stores_only() {
    check(rules::sql_outside_stores, rules::WHY_SQL);
}

#[test]
fn imports_go_down_or_sideways() {
    check(rules::floors, rules::WHY_FLOORS);
}

#[test]
fn no_file_is_longer_than_500_lines() {
    check(rules::long_files, rules::WHY_LONG);
}

#[test]
fn clock_randomness_and_calls_out_come_through_app() {
    check(rules::outside_world, rules::WHY_OUTSIDE);
}

#[test]
fn every_statement_names_its_workspace() {
    check(rules::unscoped_statements, rules::WHY_TENANT);
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    check(rules::leftovers, rules::WHY_LEFTOVERS);
}
