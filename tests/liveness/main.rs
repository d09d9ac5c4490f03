//! Liveness with real kernel objects: owners that fork, exec, move their ends between threads, live in another pid
//! namespace or under a number that is used again; and being told of a death by a pidfd.
//!
//! Everything that needs a process of its own plays a role (`common::child`); what forks does so in such a role.
//! Tests that need privileges say so and skip themselves where those are missing.

#[path = "../common/mod.rs"]
mod common;
mod exec;
mod forked;
mod namespaces;
mod scene;
mod threads;
mod torn;
mod watch;

#[test]
fn a_child_plays_the_role_it_was_given() {
    common::child::play(&[
        ("forks", forked::forks),
        ("heir", forked::heir),
        ("leaver", forked::leaver),
        ("raw clone", forked::clones),
        ("torn", torn::role),
        ("looks", torn::looks),
        ("first", torn::first),
        ("spawns", exec::spawns),
        ("execs", exec::execs),
        ("unshared owner", namespaces::owner),
        ("unshared peer", namespaces::peer),
        ("same number", namespaces::same_number),
        ("nested", namespaces::nested),
        ("gone thread", threads::gone),
        ("gone leader", threads::gone_leader),
        ("holder", watch::holder),
    ]);
}
