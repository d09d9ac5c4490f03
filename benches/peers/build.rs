//! Compiles the C and C++ peers whose headers are installed, and says in one sentence what is missing for the others.
//!
//! Never fails for a missing header or compiler: the program is then built without that engine.

use std::io::Write;
use std::process::{Command, Stdio};

struct Peer {
    cfg: &'static str,
    header: &'static str,
    /// All in one language.
    sources: &'static [&'static str],
    package: &'static str,
    /// Library to link with; empty where the header is everything.
    library: &'static str,
}

const PEERS: [Peer; 7] = [
    Peer {
        cfg: "have_boost",
        header: "boost/lockfree/spsc_queue.hpp",
        sources: &["cpp/boost_spsc.cpp"],
        package: "libboost-dev",
        library: "",
    },
    Peer {
        cfg: "have_moodycamel",
        header: "readerwriterqueue/readerwriterqueue.h",
        sources: &["cpp/moodycamel.cpp"],
        package: "libreaderwriterqueue-dev",
        library: "",
    },
    Peer {
        cfg: "have_boost_interprocess",
        header: "boost/interprocess/ipc/message_queue.hpp",
        sources: &["cpp/boost_interprocess.cpp"],
        package: "libboost-dev",
        library: "",
    },
    Peer {
        cfg: "have_boost_queue",
        header: "boost/lockfree/queue.hpp",
        sources: &["cpp/boost_queue.cpp"],
        package: "libboost-dev",
        library: "",
    },
    Peer {
        cfg: "have_ck",
        header: "ck_ring.h",
        sources: &["cpp/ck_ring.c"],
        package: "libck-dev",
        library: "",
    },
    Peer {
        cfg: "have_concurrentqueue",
        header: "concurrentqueue/concurrentqueue.h",
        sources: &["cpp/moodycamel_concurrent.cpp", "cpp/moodycamel_many.cpp"],
        package: "libconcurrentqueue-dev",
        library: "",
    },
    Peer {
        cfg: "have_dpdk",
        header: "rte_ring.h",
        sources: &["cpp/dpdk_ring.c", "cpp/dpdk_many.c"],
        package: "libdpdk-dev",
        library: "rte_ring",
    },
];

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-changed=build.rs");
    for peer in PEERS {
        println!("cargo:rerun-if-changed=/usr/include/{}", peer.header);
        if !has_header(&peer) {
            println!(
                "cargo:warning=built without the engine of {}: install the Debian packages g++ and {} to have it",
                peer.sources[0], peer.package
            );
            continue;
        }
        build(&peer)
            .opt_level(3)
            .define("NDEBUG", None)
            .files(peer.sources)
            .compile(peer.cfg);
        if !peer.library.is_empty() {
            println!("cargo:rustc-link-lib={}", peer.library);
        }
        println!("cargo:rustc-cfg={}", peer.cfg);
    }
}

fn build(peer: &Peer) -> cc::Build {
    let mut build = cc::Build::new();
    build.warnings(true);
    if peer.sources[0].ends_with(".cpp") {
        build.cpp(true).std("c++17");
        // The compiler misreads an empty queue inside moodycamel's header.
        build.flag_if_supported("-Wno-stringop-overflow");
    }
    if peer.cfg == "have_dpdk" {
        // Where Debian puts DPDK's headers, and the one among them that each of the others expects.
        let target = std::env::var("TARGET").unwrap_or_default();
        let multiarch = target.replace("-unknown", "");
        build
            .std("gnu11")
            .include("/usr/include/dpdk")
            .include(format!("/usr/include/{multiarch}/dpdk"))
            .flag("-include")
            .flag("rte_config.h");
    }
    build
}

/// Whether the compiler finds the header; false also when there is no compiler.
fn has_header(peer: &Peer) -> bool {
    // Its own remarks about a missing compiler would stand beside our sentence.
    let Ok(compiler) = build(peer).cargo_warnings(false).try_get_compiler() else {
        return false;
    };
    preprocesses(compiler.to_command(), peer).unwrap_or(false)
}

fn preprocesses(mut compiler: Command, peer: &Peer) -> std::io::Result<bool> {
    let language = match peer.sources[0].ends_with(".cpp") {
        true => "c++",
        false => "c",
    };
    let mut child = compiler
        .args(["-E", "-x", language, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "#include <{}>", peer.header)?;
    }
    Ok(child.wait()?.success())
}
