#!/usr/bin/env bash
# Kills ends of rings of all kinds at random moments, kind after kind, for at least ANNULUS_SOAK_SECONDS seconds (1800
# unless set) and until there were ANNULUS_SOAK_KILLS kills (10000 unless set). Prints what came of each turn and of all.
#
# Per kind and in total: kills, messages, how many of them came again, the longest silence, the longest part of one
# during which nobody waited for a processor or for a successor to start, and somebody was to send something
# (tests/common/watch.rs), both in milliseconds, and how many of each were longer than 200 ms. Ends with status 1 if a
# test failed, if there was a silence of the last sort, or if something was left behind in /dev/shm or among the System V
# objects: run nothing else with rings meanwhile.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${ANNULUS_SOAK_SECONDS:-1800}
wanted=${ANNULUS_SOAK_KILLS:-10000}
log=$(mktemp)
trap 'rm -f "$log" "$log.turn"' EXIT

leaked() {
  find /dev/shm -maxdepth 1 \( -name 'annulus*' -o -name 'sem.annulus*' \)
  awk 'FNR > 1 {print FILENAME, "key", $1, "id", $2}' /proc/sysvipc/shm /proc/sysvipc/sem
}

table() {
  awk '$1 == "soak" {
      kinds[$2]; for (i = 3; i <= 9; i++) {
        largest = i == 6 || i == 7
        n[$2, i] = largest ? ($i > n[$2, i] ? $i : n[$2, i]) : n[$2, i] + $i
        n["total", i] = largest ? ($i > n["total", i] ? $i : n["total", i]) : n["total", i] + $i
      }
    }
    function line(kind) {
      return sprintf("%s: %d kills, %d messages, %d came again; longest silence %.1f ms, own %.1f ms; over 200 ms: %d, own %d",
        kind, n[kind, 3], n[kind, 4], n[kind, 5], n[kind, 6] / 1000, n[kind, 7] / 1000, n[kind, 8], n[kind, 9])
    }
    END { for (kind in kinds) print line(kind) | "sort"; close("sort"); print line("total") }' "$log"
}

cargo test --release --locked -p annulus --no-run --test crash --test many_processes --test records_crash || exit 1
before=$(leaked | sort)
failed=0 kills=0 turn=0
while [ "$SECONDS" -lt "$seconds" ] || [ "$kills" -lt "$wanted" ]; do
  turn=$((turn + 1))
  ANNULUS_KILLS=${ANNULUS_KILLS:-60} cargo test --release --locked -q -p annulus --no-fail-fast \
    --test crash --test many_processes --test records_crash -- killed_at_random --nocapture > "$log.turn" 2>&1 \
    || { failed=$((failed + 1)); cat "$log.turn"; }
  # Of a silence also the lines that tell what everybody was about.
  grep -E '^(soak |silent |  [0-9]+ [0-9]+: )' "$log.turn" | tee -a "$log" | grep -v '^soak'
  rm -f "$log.turn"
  kills=$(awk '$1 == "soak" {n += $3} END {print n + 0}' "$log")
  echo "after $SECONDS s, turn $turn: $kills kills, $failed turns failed"
  [ "$kills" -gt 0 ] || exit 1
done
table
left=$(comm -13 <(echo "$before") <(leaked | sort))
echo "left behind: ${left:-nothing}"
own=$(awk '$1 == "soak" {n += $9} END {print n + 0}' "$log")
[ "$failed" -eq 0 ] && [ "$own" -eq 0 ] && [ -z "$left" ]
