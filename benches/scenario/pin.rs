//! Which two cores a benchmark uses, and pinning to them.
//!
//! Never takes two hyper-threads of one core while another core is allowed.

use std::fs;
use std::io;

/// The two CPUs of a measurement: the one that keeps the clock, and its partner's; and where parties beyond two go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// CPU number of the side that reads the clock.
    pub near: usize,
    /// CPU number of the partner.
    pub far: usize,
    /// One CPU per allowed core, `near` and `far` first. It lasts as long as the process.
    cores: &'static [usize],
}

impl Cpus {
    /// The first CPU this process may use and the first other one that is not its hyper-thread sibling (or, when there
    /// is none, the second allowed CPU). An error when fewer than two are allowed.
    pub fn choose() -> io::Result<Cpus> {
        let allowed = allowed()?;
        let (&near, rest) = allowed
            .split_first()
            .ok_or_else(|| io::Error::other("no CPU is allowed"))?;
        let siblings = siblings_of(near);
        let far = rest.iter().find(|cpu| !siblings.contains(cpu));
        let &far = far.or(rest.first()).ok_or_else(|| {
            io::Error::other("two CPUs are needed, this process is allowed to use one")
        })?;
        let mut cores = vec![near, far];
        let mut taken = [siblings, siblings_of(far)].concat();
        for &cpu in rest {
            if !cores.contains(&cpu) && !taken.contains(&cpu) {
                taken.extend(siblings_of(cpu));
                cores.push(cpu);
            }
        }
        let cores = cores.leak();
        Ok(Cpus { near, far, cores })
    }

    /// Cores that parties can be spread over, 2 or more.
    pub fn cores(self) -> u32 {
        self.cores.len() as u32
    }

    /// The CPU of party `which`, counted from 0 (which is at `near`): each on a core of its own as long as there are cores,
    /// then all cores in turn.
    pub fn home(self, which: u32) -> usize {
        self.cores[which as usize % self.cores.len()]
    }
}

/// Binds the calling thread (and the threads and processes it starts later) to one CPU.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::other(format!("CPU {cpu} is out of range")));
    }
    // SAFETY: `cpu` is below CPU_SETSIZE, so the bit lies inside the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is live and its size is passed along; 0 is the calling thread.
    let status = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live, writable and its size is passed along; 0 is the calling thread.
    let status = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every number asked for is below CPU_SETSIZE.
    let has = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(has).collect())
}

/// The hyper-threads of this CPU's core, itself included; empty where the kernel does not say.
fn siblings_of(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(path)
        .map(|list| parse_cpu_list(&list))
        .unwrap_or_default()
}

/// Reads the kernel's list format: "0,4-6" is 0, 4, 5, 6. What cannot be read is left out.
fn parse_cpu_list(list: &str) -> Vec<usize> {
    let mut cpus = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_beyond_the_cores_share_them_in_turn() {
        let cpus = Cpus {
            near: 4,
            far: 6,
            cores: &[4, 6, 9],
        };
        let homes: Vec<_> = (0..5).map(|which| cpus.home(which)).collect();
        assert_eq!(homes, [4, 6, 9, 4, 6]);
    }

    #[test]
    fn a_kernel_cpu_list_is_read_with_ranges_and_single_numbers() {
        assert_eq!(parse_cpu_list("0,4-6\n"), [0, 4, 5, 6]);
        assert_eq!(parse_cpu_list("3"), [3]);
        assert!(parse_cpu_list("").is_empty());
    }
}
