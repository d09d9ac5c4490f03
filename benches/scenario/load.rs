//! Whether the machine was quiet: how much of the two cores went to somebody else.
//!
//! Compares the kernel's per-CPU accounting with what this process and its ended children used. Both are coarse (ticks of
//! 10 ms), so the share means something over some tenths of a second, and a few percent mean nothing.

use std::fs;

use super::clock::now_ns;
use super::pin::Cpus;

/// Times so far, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    at: u64,
    /// Busy and stolen time of both cores.
    busy: u64,
    /// CPU time of this process, its threads and its ended children.
    ours: u64,
}

impl Load {
    /// Reads the accounts; `None` where /proc/stat does not name both cores.
    pub fn now(cpus: Cpus) -> Option<Load> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let busy = busy_ticks(&stat, cpus.near)? + busy_ticks(&stat, cpus.far)?;
        // SAFETY: `sysconf` has no preconditions.
        let ticks_per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        let tick_ns = 1_000_000_000 / u64::try_from(ticks_per_s).ok().filter(|&t| t > 0)?;
        Some(Load {
            at: now_ns(),
            busy: busy * tick_ns,
            ours: used_ns(libc::RUSAGE_SELF) + used_ns(libc::RUSAGE_CHILDREN),
        })
    }

    /// Share of the two cores, 0 to 1, that others used between two readings.
    pub fn others_share(before: Option<Load>, after: Option<Load>) -> Option<f64> {
        let (before, after) = (before?, after?);
        let busy = after.busy.saturating_sub(before.busy);
        let ours = after.ours.saturating_sub(before.ours);
        let passed = 2 * after.at.saturating_sub(before.at);
        (passed > 0).then(|| busy.saturating_sub(ours) as f64 / passed as f64)
    }
}

/// Ticks of one CPU that were neither idle nor waiting for a disk, stolen ones included.
fn busy_ticks(stat: &str, cpu: usize) -> Option<u64> {
    let name = format!("cpu{cpu}");
    let line = stat
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name))?;
    // user nice system idle iowait irq softirq steal; guest times after them are part of user.
    let columns = line.split_whitespace().skip(1).take(8).enumerate();
    columns
        .filter(|(column, _)| !matches!(column, 3 | 4))
        .map(|(_, ticks)| ticks.parse::<u64>().ok())
        .sum()
}

fn used_ns(who: libc::c_int) -> u64 {
    // SAFETY: rusage is plain numbers; all-zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is live and writable; `who` is a constant the kernel knows.
    unsafe { libc::getrusage(who, &mut usage) };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_and_other_cpus_are_left_out_of_busy_time() {
        let stat = "cpu  9 9 9 9\ncpu1 1 2 4 1000 1000 8 16 32 64 0\ncpu10 7 7 7 7 7 7 7 7\n";
        assert_eq!(busy_ticks(stat, 1), Some(63));
        assert_eq!(busy_ticks(stat, 2), None);
    }
}
