//! Options of `send` and `recv` that make no sense: refused before anything is made.

mod common;

use common::{Place, Scene, run, stderr_of};

#[test]
fn backings_and_options_that_cannot_be_are_wrong_usage() {
    let scene = Scene::new(Place::Posix);
    for options in [
        &["--backing", "memfd"][..],
        &["--backing", "anon"],
        &["--chunk", "0"],
        &["--capacity", "3"],
        &["--capacity", "128"],
        &["--capacity", "64Q"],
        &["--capacity", "64K", "--chunk", "32761"],
        &["--kind", "mpmcs"],
        // What is shared out must be cut.
        &["--kind", "spmc"],
        &["--kind", "mpmc", "--chunk", "10"],
        &["--slot-size", "256"],
        &["--slot-size", "256", "--kind", "mpsc", "--lines"],
        &["--slot-size", "8", "--kind", "spmc", "--lines"],
        &["--slot-size", "4M", "--kind", "spmc", "--lines"],
        &["--senders", "2", "--kind", "spsc"],
        &["--senders", "0"],
        &["--wait-readers", "2", "--kind", "mpsc"],
        &["--wait-readers", "1025"],
        &["--lines", "--frames"],
        &["--lines", "--chunk", "10"],
        &["--mode", "999"],
        &["--wait-strategy", "hope"],
    ] {
        let mut tool = common::annulus();
        let refused = run(tool.args(["send", &scene.name]).args(options));
        assert_eq!(refused.status.code(), Some(2), "{options:?}");
        assert!(!stderr_of(&refused).is_empty());
        assert!(!scene.exists());
    }
    let refused = run(common::annulus().args(["send", "no/such/name"]));
    assert_eq!(refused.status.code(), Some(2));
    for options in [["--senders", "0"], ["--senders", "1025"], ["--chunk", "1"]] {
        let refused = run(scene.tool("recv").args(options));
        assert_eq!(refused.status.code(), Some(2), "{options:?}");
    }
    for options in [
        &["--kind", "spsc", "--senders", "2"][..],
        &["--kind", "mpmc", "--senders", "1"],
        &["--kind", "broadcast", "--senders", "2"],
        &["--kind", "mpsc", "--lossy"],
        &["--kind", "spmc", "--from", "newest"],
        &["--kind", "broadcast", "--slot-size", "64"],
    ] {
        let refused = run(scene.tool("recv").args(options));
        assert_eq!(refused.status.code(), Some(2), "{options:?}");
        // It says which option, and for what that is.
        let said = stderr_of(&refused);
        assert!(
            said.contains(options[2]) && said.contains("--kind"),
            "{said}"
        );
    }
    assert!(!scene.exists());
}
