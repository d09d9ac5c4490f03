//! Compiles the C++ peers whose headers are installed, and says in one sentence what is missing for the others.
//!
//! Never fails for a missing header or compiler: the program is then built without that engine.

use std::io::Write;
use std::process::{Command, Stdio};

struct Peer {
    cfg: &'static str,
    header: &'static str,
    source: &'static str,
    package: &'static str,
}

const PEERS: [Peer; 2] = [
    Peer {
        cfg: "have_boost",
        header: "boost/lockfree/spsc_queue.hpp",
        source: "cpp/boost_spsc.cpp",
        package: "libboost-dev",
    },
    Peer {
        cfg: "have_moodycamel",
        header: "readerwriterqueue/readerwriterqueue.h",
        source: "cpp/moodycamel.cpp",
        package: "libreaderwriterqueue-dev",
    },
];

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-changed=build.rs");
    for peer in PEERS {
        println!("cargo:rerun-if-changed=/usr/include/{}", peer.header);
        if !has_header(peer.header) {
            println!(
                "cargo:warning=built without the engine of {}: install the Debian packages g++ and {} to have it",
                peer.source, peer.package
            );
            continue;
        }
        build()
            .opt_level(3)
            .define("NDEBUG", None)
            .file(peer.source)
            .compile(peer.cfg);
        println!("cargo:rustc-cfg={}", peer.cfg);
    }
}

fn build() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(true);
    build
}

/// Whether the C++ compiler finds the header; false also when there is no compiler.
fn has_header(header: &str) -> bool {
    // Its own remarks about a missing compiler would stand beside our sentence.
    let Ok(compiler) = build().cargo_warnings(false).try_get_compiler() else {
        return false;
    };
    preprocesses(compiler.to_command(), header).unwrap_or(false)
}

fn preprocesses(mut compiler: Command, header: &str) -> std::io::Result<bool> {
    let mut child = compiler
        .args(["-E", "-x", "c++", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "#include <{header}>")?;
    }
    Ok(child.wait()?.success())
}
