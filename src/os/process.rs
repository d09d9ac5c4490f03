//! Who processes are, for people to read.
//!
//! What `/proc` says is never a base for a decision about life or death: a pid can be reused, and
//! `/proc` may show another pid namespace than the one a peer lives in. Locks decide that.

/// The id of this process in its own pid namespace.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

/// When the process started, in clock ticks since boot. Together with the pid it names one process.
/// `None` if there is no such process to be seen.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    start_time_in(&stat)
}

/// Whether the process that started at `start_time` under this pid was stopped, by a signal or a tracer. `false` if there
/// is no such process to be seen.
pub(crate) fn is_stopped(pid: u32, start_time: u64) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    start_time_in(&stat) == Some(start_time) && is_stopped_in(&stat)
}

/// Field 3, behind the name.
fn is_stopped_in(stat: &[u8]) -> bool {
    let behind = stat.iter().rposition(|&b| b == b')').map(|end| end + 2);
    let state = behind.and_then(|at| stat.get(at));
    matches!(state, Some(b'T' | b't'))
}

/// Field 22. Field 2 is the name in parentheses and may itself hold spaces and parentheses, so
/// counting begins behind the last one: field 3 comes first there.
fn start_time_in(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Child;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21";
        for name in ["cat", "a b", "x) S 1 2", "((", ")"] {
            let stat = format!("42 ({name}) {tail}");
            assert_eq!(start_time_in(stat.as_bytes()), Some(987_654), "{name}");
        }
        for (state, stopped) in [("S", false), ("T", true), ("t", true)] {
            let stat = format!("42 (a) T) {state} 1 2");
            assert_eq!(is_stopped_in(stat.as_bytes()), stopped);
        }
        assert!(!is_stopped_in(b"42 (a)") && !is_stopped_in(b""));
        assert_eq!(start_time_in(b"42 (cat) S 1 2"), None);
        assert_eq!(start_time_in(b""), None);
    }

    #[test]
    fn a_younger_process_started_no_earlier_and_a_dead_one_is_gone() {
        let ours = start_time(pid()).unwrap();
        let child = Child::that(|| true);
        let child_pid = child.pid();
        assert!(start_time(child_pid).unwrap() >= ours);
        child.kill();
        assert_eq!(start_time(child_pid), None);
    }
}
