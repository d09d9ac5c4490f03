//! Gives the shared object its installed name: `libannulus.so.` and the number of the C ABI.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Equals ANNULUS_C_ABI in src/version.rs; tests/run.rs compares the two.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libannulus.so.1");
}
