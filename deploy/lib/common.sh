# shellcheck shell=bash
#
# Shared by every script of this folder: progress output, waiting, the state folder, packages, daemons. Source it; it
# does nothing by itself. Needs bash 5 and coreutils, nothing else.

[[ -n ${SLUICE_LIB_COMMON:-} ]] && return 0
SLUICE_LIB_COMMON=1

# shellcheck disable=SC2034  # read by the callers
SLUICE_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)

# Daemons' logs, pid files and generated passwords. A folder of its own, so that removing it removes every trace.
SLUICE_STATE=${SLUICE_STATE:-/var/lib/sluice-quickstart}

# ---------------------------------------------------------------------------------------------------- progress output
#
# step "Docker"             a line that says what is going on
# note "installing it"      what the step is busy with
# ok "20.10, overlay2"      closes the step with its result and the time it took
# fail "what" "what to do"  closes the step, says what to do, ends the script
#
# All of it goes to stderr, so that stdout stays free for values (see rabbitmq_exports).

_style_init() {
  local locale=${LC_ALL:-${LC_CTYPE:-${LANG:-}}}
  _tty=''
  [[ -t 2 && ${TERM:-dumb} != dumb ]] && _tty=1
  _bold='' _dim='' _green='' _yellow='' _red='' _cyan='' _reset=''
  if [[ -n $_tty && -z ${NO_COLOR:-} ]]; then
    _bold=$'\e[1m' _dim=$'\e[2m' _green=$'\e[32m' _yellow=$'\e[33m' _red=$'\e[31m' _cyan=$'\e[36m' _reset=$'\e[0m'
  fi
  if [[ ${locale,,} == *utf*8* ]]; then
    _sym_step='●' _sym_ok='✓' _sym_fail='✗' _sym_note='·' _sym_warn='!'
  else
    _sym_step='*' _sym_ok='+' _sym_fail='x' _sym_note='-' _sym_warn='!'
  fi
  _step='' _step_since=0 _step_doing='' _line_open=''
}

# Milliseconds. EPOCHREALTIME uses the locale's decimal mark, hence the removal of whatever is no digit.
now_ms() {
  local micros=${EPOCHREALTIME//[^0-9]/}
  printf '%s' "${micros%???}"
}

# 850 -> 0.9s, 12345 -> 12.3s, 75000 -> 1m15s
show_ms() {
  local ms=$1
  if ((ms >= 60000)); then
    printf '%dm%02ds' $((ms / 60000)) $((ms % 60000 / 1000))
  else
    printf '%d.%ds' $(((ms + 50) / 1000)) $(((ms + 50) % 1000 / 100))
  fi
}

_elapsed() { show_ms $(($(now_ms) - _step_since)); }

# On a terminal the step's line is rewritten in place; elsewhere every line is final.
_clear_line() {
  [[ -z $_line_open ]] || printf '\r\e[K' >&2
  _line_open=''
}

_draw_step() {
  _clear_line
  printf '%s%s%s %s%-14s%s %s%s%s' "$_cyan" "$_sym_step" "$_reset" "$_bold" "$_step" "$_reset" \
    "$_dim" "${_step_doing:+$_step_doing, }$(_elapsed)" "$_reset" >&2
  _line_open=1
}

step() {
  _step=$1 _step_doing='' _step_since=$(now_ms)
  [[ -z $_tty ]] || _draw_step
}

note() {
  if [[ -n $_tty && -n $_step ]]; then
    _step_doing=$1
    _draw_step
  else
    printf '%s %-14s %s\n' "$_sym_note" "$_step" "$1" >&2
  fi
}

warn() {
  _clear_line
  printf '%s%s%s %-14s %s\n' "$_yellow" "$_sym_warn" "$_reset" "$_step" "$1" >&2
}

ok() {
  _clear_line
  printf '%s%s%s %s%-14s%s %-50s %s%8s%s\n' "$_green" "$_sym_ok" "$_reset" "$_bold" "$_step" "$_reset" \
    "${1:-done}" "$_dim" "$(_elapsed)" "$_reset" >&2
  _step='' _step_doing=''
}

# fail WHAT [WHAT TO DO]...
fail() {
  local hint
  _clear_line
  printf '%s%s %-14s %s%s\n' "$_red" "$_sym_fail" "$_step" "$1" "$_reset" >&2
  shift
  for hint in "$@"; do
    printf '  %-14s %s\n' '' "$hint" >&2
  done
  exit 1
}

_style_init

# -------------------------------------------------------------------------------------------------------- conditions

have() { command -v -- "$1" >/dev/null 2>&1; }

is_root() { ((EUID == 0)); }

# The test that systemd itself documents (sd_booted).
has_systemd() { [[ -d /run/systemd/system ]] && have systemctl; }

# tcp_open HOST PORT: does something accept connections there? Bounded, since a filtered port would hang.
tcp_open() {
  # shellcheck disable=SC2016  # expanded by the inner shell, on purpose
  timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$1" "$2" 2>/dev/null
}

# wait_until SECONDS CONDITION...: 0 as soon as the condition holds; 1 when the time is over; a condition that returns 2
# or more says that waiting is in vain, which ends the wait at once with that status.
wait_until() {
  local deadline=$(($(now_ms) + $1 * 1000)) status
  shift
  while :; do
    status=0
    "$@" || status=$?
    ((status != 1)) && return "$status"
    (($(now_ms) < deadline)) || return 1
    [[ -z $_tty || -z $_step ]] || _draw_step
    sleep 0.2
  done
}

# ------------------------------------------------------------------------------------------------------ state folder

# Readable by others, since daemons that run as their own users keep their files below it; secrets/ is not.
ensure_state() {
  { install -d -m 0755 "$SLUICE_STATE" "$SLUICE_STATE/run" "$SLUICE_STATE/log" && [[ -w $SLUICE_STATE/run ]]; } \
    2>/dev/null ||
    fail "cannot write to $SLUICE_STATE" "Run this as root, or set SLUICE_STATE to a folder of yours."
  install -d -m 0700 "$SLUICE_STATE/secrets"
}

# ensure_secret NAME: prints the path of a file with a random password, made on first use. Hexadecimal, so that it can
# stand in a URL as it is.
ensure_secret() {
  local file=$SLUICE_STATE/secrets/$1
  ensure_state
  if [[ ! -s $file ]]; then
    (umask 077 && od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n' >"$file.new")
    mv -- "$file.new" "$file"
  fi
  printf '%s' "$file"
}

# One script at a time may install and start things. The lock ends with the script; no child may inherit it, or a
# daemon would hold it for ever.
_lock_fd=''
state_lock() {
  ensure_state
  exec {_lock_fd}>"$SLUICE_STATE/run/lock"
  flock -n "$_lock_fd" && return
  note 'waiting for another script of Sluice'
  flock -w 600 "$_lock_fd" || fail "another script holds $SLUICE_STATE/run/lock"
}

state_unlock() {
  [[ -n $_lock_fd ]] && exec {_lock_fd}>&-
  _lock_fd=''
}

_drop_lock() {
  [[ -z $_lock_fd ]] || exec {_lock_fd}>&-
}

# ---------------------------------------------------------------------------------------------------------- packages

# run_quietly LOG COMMAND...: output goes to the log; its end is shown when the command fails.
run_quietly() {
  local log=$1 pid status=0
  shift
  (_drop_lock && exec "$@") >>"$log" 2>&1 </dev/null &
  pid=$!
  if [[ -n $_tty && -n $_step ]]; then
    while kill -0 "$pid" 2>/dev/null; do
      _draw_step
      sleep 0.2
    done
  fi
  wait "$pid" || status=$?
  return "$status"
}

# show_tail LOG [LINES]
show_tail() {
  [[ -s $1 ]] || return 0
  _clear_line
  printf '  %s--- the end of %s%s\n' "$_dim" "$1" "$_reset" >&2
  tail -n "${2:-15}" -- "$1" | cut -c 1-300 | sed 's/^/  | /' >&2
}

apt_has() {
  local line
  line=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p')
  [[ -n $line && $line != '(none)' ]]
}

# Refreshed only when a package is not known or cannot be fetched: it is slow, and the lists are usually good.
_apt_update() {
  note 'refreshing the package lists'
  run_quietly "$SLUICE_STATE/log/apt.log" apt-get -q update
}

_apt_install() {
  note "installing $*"
  run_quietly "$SLUICE_STATE/log/apt.log" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@"
}

# apt_install PACKAGE...
apt_install() {
  local package updated=''
  have apt-get || fail "$* is missing and this system has no apt-get" "Install it, then run this again."
  is_root || fail "$* is missing, and only root can install it" "Run this as root, or: sudo apt-get install $*"
  ensure_state
  for package in "$@"; do
    if ! apt_has "$package"; then
      _apt_update || true
      updated=1
      break
    fi
  done
  _apt_install "$@" && return
  if [[ -z $updated ]] && _apt_update && _apt_install "$@"; then
    return
  fi
  show_tail "$SLUICE_STATE/log/apt.log"
  fail "apt-get could not install $*"
}

# ----------------------------------------------------------------------------------------------------------- daemons
#
# A daemon of ours is known by its pid, its start time (so that a pid used again by somebody else is no match) and a word
# in its command line. Nothing else is ever stopped.

_pid_file() { printf '%s/run/%s.pid' "$SLUICE_STATE" "$1"; }

daemon_log() { printf '%s/log/%s.log' "$SLUICE_STATE" "$1"; }

# The 22nd field of /proc/PID/stat; the second may hold blanks, so everything up to its closing bracket goes first.
_start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # shellcheck disable=SC2086  # split into fields, on purpose
  set -- ${stat##*) }
  printf '%s' "${20}"
}

# process_is PID WORD: does that process exist, with that word in its command line?
process_is() {
  local line
  { line=$(tr '\0' ' ' <"/proc/$1/cmdline"); } 2>/dev/null || return 1
  [[ $line == *"$2"* ]]
}

# start_daemon NAME WORD COMMAND...: in a session of its own, so that it outlives this script and its terminal.
start_daemon() {
  local name=$1 word=$2 file log pid=''
  shift 2
  ensure_state
  file=$(_pid_file "$name") log=$(daemon_log "$name")
  rm -f -- "$file" "$file.new"
  [[ ! -s $log ]] || mv -f -- "$log" "$log.1"
  setsid nohup bash -c "$_become_daemon" _ "$file.new" "$@" >"$log" 2>&1 </dev/null &
  wait_until 10 test -s "$file.new" || fail "$name could not be started" "See $log"
  pid=$(<"$file.new")
  rm -f -- "$file.new"
  printf '%s %s %s\n' "$pid" "$(_start_time "$pid" || printf 0)" "$word" >"$file"
}

# The inner shell of start_daemon: it drops what a daemon must not hold on to (our lock, the pipe that somebody reads our
# output from), writes its pid and then becomes the daemon, so that it does not matter whether setsid forks.
# shellcheck disable=SC2016  # expanded by the inner shell, on purpose
_become_daemon='
  for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
  done
  cd /
  ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
  printf "%s\n" "$$" >"$1"
  shift
  exec "$@"'

# daemon_pid NAME: the pid, if it lives and is the one that we started.
daemon_pid() {
  local pid since word file
  file=$(_pid_file "$1")
  [[ -s $file ]] && read -r pid since word <"$file" || return 1
  [[ $(_start_time "$pid") == "$since" ]] && process_is "$pid" "$word" && printf '%s' "$pid"
}

daemon_alive() { daemon_pid "$1" >/dev/null; }
daemon_gone() { ! daemon_alive "$1"; }

# stop_daemon NAME [SECONDS]: politely, then by force. Silent when it does not run.
stop_daemon() {
  local pid
  if pid=$(daemon_pid "$1"); then
    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_until "${2:-30}" daemon_gone "$1"; then
      warn "$1 does not end, killing it"
      # It leads a session of its own (see start_daemon), so the group is it and its children.
      kill -KILL -- "-$pid" 2>/dev/null || true
      wait_until 5 daemon_gone "$1" || true
    fi
  fi
  rm -f -- "$(_pid_file "$1")"
}
