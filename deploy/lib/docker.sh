# shellcheck shell=bash
#
# ensure_docker: a Docker Engine that answers. Uses what is there; installs and starts one only where there is none.
# Sets and exports DOCKER_HOST, and sets DOCKER_VERSION, DOCKER_STORAGE and DOCKER_CGROUP.

[[ -n ${SLUICE_LIB_DOCKER:-} ]] && return 0
SLUICE_LIB_DOCKER=1
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

ensure_docker() {
  step 'Docker'
  local given=${SLUICE__RUNTIME__DOCKER_HOST:-${DOCKER_HOST:-}}
  if [[ -n $given ]]; then
    export DOCKER_HOST=$given
    have docker || _docker_install
    _docker_answers || fail "no Docker Engine answers at $given" \
      "It was named by SLUICE__RUNTIME__DOCKER_HOST or DOCKER_HOST: start it, or unset the variable."
    _docker_done
    return
  fi
  if ! _docker_answers; then
    state_lock
    _docker_start
    state_unlock
  fi
  DOCKER_HOST=$(_docker_endpoint)
  export DOCKER_HOST
  _docker_done
}

# stop_docker: only the daemon that ensure_docker started.
stop_docker() { stop_daemon dockerd 30; }

_docker_answers() { have docker && timeout 15 docker version -f '{{.Server.Version}}' >/dev/null 2>&1; }

# The client may have a context that points elsewhere (rootless, Docker Desktop); libraries know only DOCKER_HOST.
_docker_endpoint() {
  local endpoint
  endpoint=$(docker context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null) || endpoint=''
  printf '%s' "${endpoint:-unix:///var/run/docker.sock}"
}

_docker_done() {
  local facts
  facts=$(timeout 30 docker info -f '{{.ServerVersion}} {{.Driver}} {{.CgroupVersion}}' 2>/dev/null) ||
    fail "Docker stopped answering" "See $(daemon_log dockerd)"
  # shellcheck disable=SC2034  # read by the callers
  read -r DOCKER_VERSION DOCKER_STORAGE DOCKER_CGROUP <<<"$facts"
  ok "$DOCKER_VERSION, $DOCKER_STORAGE, cgroup v$DOCKER_CGROUP"
}

_docker_install() {
  local packages=(docker.io)
  # Where the kernel enforces AppArmor, the engine refuses to start containers unless it can load its profile.
  if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]] && ! have apparmor_parser; then
    packages+=(apparmor)
  fi
  # Newer Debian releases keep the client apart.
  if ! have docker && apt_has docker-cli; then
    packages+=(docker-cli)
  fi
  apt_install "${packages[@]}"
  hash -r
}

_docker_start() {
  if ! { have dockerd && have docker; }; then
    _docker_install
  fi
  # A package's own script may have started it already.
  _docker_answers && return
  is_root || fail "Docker does not answer, and only root can start it" \
    "Start it (sudo systemctl start docker), make sure that you may use it (group docker), and run this again."
  if has_systemd; then
    note 'starting the service'
    run_quietly "$(daemon_log dockerd)" systemctl start docker ||
      fail "systemctl start docker failed" "See: journalctl -u docker"
    wait_until 60 _docker_answers || fail "Docker does not answer" "See: journalctl -u docker"
    return
  fi
  # One that is just starting needs time, not a rival.
  if _dockerd_runs; then
    note 'waiting for the running daemon'
    wait_until 30 _docker_answers && return
    fail "dockerd runs but does not answer" "Stop it and run this again."
  fi
  _dockerd_launch
}

# Somebody else's counts as well. One that ended but was not reaped yet has no command line any more and does not count.
_dockerd_runs() {
  local comm pid
  for comm in /proc/[0-9]*/comm; do
    if [[ $(cat "$comm" 2>/dev/null) == dockerd ]]; then
      pid=${comm#/proc/}
      process_is "${pid%/comm}" dockerd && return
    fi
  done
  return 1
}

# Starts dockerd; when it dies, its log tells which of the known remedies to add, each at most once.
_dockerd_launch() {
  local flags=() path=$PATH remedy used=''
  while :; do
    note "starting the daemon${used:+ with another setting:$used}"
    _dockerd_drop_stale_pids
    start_daemon dockerd dockerd env "PATH=$path" dockerd "${flags[@]}"
    wait_until 60 _dockerd_ready && return
    remedy=$(_dockerd_remedy)
    if daemon_alive dockerd || [[ $remedy == none || " $used " == *" $remedy "* ]]; then
      stop_daemon dockerd
      show_tail "$(daemon_log dockerd)" 6
      fail "dockerd does not start" "See $(daemon_log dockerd)"
    fi
    used+=" $remedy"
    case $remedy in
      iptables-legacy) path=$(_iptables_legacy_path) ;;
      vfs) flags+=(--storage-driver=vfs) ;;
    esac
  done
}

# Dead is final, hence 2.
_dockerd_ready() {
  daemon_alive dockerd || return 2
  _docker_answers
}

# Prints iptables-legacy, vfs or none.
_dockerd_remedy() {
  local log
  log=$(daemon_log dockerd)
  if grep -qiE 'iptables|nf_tables|NAT chain' <(grep -iE 'failed|fatal|error' "$log") && have iptables-legacy; then
    printf iptables-legacy
  elif grep -qiE 'error initializing graphdriver|driver not supported|graphdriver.*(not supported|failed)' "$log"; then
    printf vfs
  else
    printf none
  fi
}

# Kernels without nf_tables need the legacy tool. Only the daemon sees it: the system's alternatives stay as they are.
_iptables_legacy_path() {
  local bin=$SLUICE_STATE/iptables-legacy tool
  mkdir -p "$bin"
  for tool in iptables ip6tables; do
    if have "$tool-legacy"; then
      ln -sfn "$(command -v "$tool-legacy")" "$bin/$tool"
    fi
  done
  printf '%s:%s' "$bin" "$PATH"
}

# After a crash or a restart of the machine these files may name a process that is now somebody else's, and the engine
# would then wait for it for ever.
_dockerd_drop_stale_pids() {
  local file pid
  for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
    [[ -s $file ]] || continue
    pid=$(<"$file")
    if ! process_is "$pid" dockerd && ! process_is "$pid" containerd; then
      rm -f -- "$file"
    fi
  done
}
