//! The kinds of memory a ring can live in.

/// Where a ring lives.
///
/// | backing | name | found by others through | outlives its processes |
/// |---|---|---|---|
/// | `PosixShm` | file name in `/dev/shm` | the name | until unlinked or reboot |
/// | `SysV` | key, or derived from the name | the key | until removed or reboot |
/// | `Memfd` | for people only | its descriptor, handed over a Unix socket or inherited | no |
/// | `File` | a path | the path | yes, the bytes too |
/// | `Anon` | for people only | fork | no |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backing {
    /// POSIX shared memory: a file in `/dev/shm`.
    #[default]
    PosixShm,
    /// A System V segment.
    SysV {
        /// The IPC key; `None` derives it from the name.
        key: Option<i32>,
    },
    /// A sealed memory file without a name.
    Memfd,
    /// A regular file; the ring's name is its path.
    File,
    /// Memory that children inherit by fork.
    Anon,
}

/// Whether to ask for 2 MiB pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Ordinary pages.
    #[default]
    No,
    /// Ask the kernel to collapse the ring into huge pages; carry on if it does not.
    /// [`Ring::pages`](crate::Ring::pages) says what was got.
    Try,
    /// Take pages from the hugetlb pool, or fail. For `Memfd` and `Anon`.
    HugeTlb,
}

/// The pages a ring got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Ordinary pages, 4 KiB on x86-64.
    Base,
    /// Transparent huge pages, 2 MiB.
    Collapsed,
    /// From the hugetlb pool, 2 MiB.
    HugeTlb,
}
