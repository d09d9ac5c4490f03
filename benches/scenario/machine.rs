//! Which machine and which source a figure comes from.
//!
//! Reads /proc and uname, and asks git; never guesses. What cannot be found out is `None`.

use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine beside a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// CPU model as the kernel names it.
    pub cpu: Option<String>,
    /// CPUs online.
    pub cores: Option<u32>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Commit of the source tree, "-dirty" when the tree differs from it.
    pub commit: Option<String>,
}

impl Machine {
    /// Describes this machine; `tree` is a directory inside the source tree.
    pub fn describe(tree: &Path) -> Machine {
        Machine {
            cpu: cpu_model(),
            cores: online(),
            kernel: kernel_release(),
            commit: commit_of(tree),
        }
    }
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text
        .lines()
        .find(|l| l.starts_with("model name") || l.starts_with("CPU part"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn online() -> Option<u32> {
    // SAFETY: `sysconf` has no preconditions.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(count).ok()
}

fn kernel_release() -> Option<String> {
    // SAFETY: utsname is arrays of bytes; all-zero is valid.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `names` is live and writable.
    if unsafe { libc::uname(&mut names) } != 0 {
        return None;
    }
    // SAFETY: after success `release` is a NUL-terminated string inside `names`, which is live.
    let release = unsafe { CStr::from_ptr(names.release.as_ptr()) };
    Some(release.to_string_lossy().into_owned())
}

fn commit_of(tree: &Path) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(tree)
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_string())
}
