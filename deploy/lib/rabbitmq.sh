# shellcheck shell=bash
#
# ensure_rabbitmq: a broker with a user and a virtual host for Sluice. Uses what is there (SLUICE__BROKER__URL, or a broker
# on this machine); installs and starts one only where there is none. Sets RABBITMQ_HOST, RABBITMQ_PORT,
# RABBITMQ_MANAGEMENT_PORT, RABBITMQ_VHOST, RABBITMQ_USER, RABBITMQ_PASSWORD_FILE and RABBITMQ_VERSION.
#
# rabbitmq_exports           prints the variables that the orchestrator reads
# rabbitmq_user NAME         one more administrator; sets RABBITMQ_USER_PASSWORD_FILE
# stop_rabbitmq              stops the broker, if ensure_rabbitmq started it
#
# Passwords are never put on a command line: they live in files of mode 0600 and travel on standard input or in headers.

[[ -n ${SLUICE_LIB_RABBITMQ:-} ]] && return 0
SLUICE_LIB_RABBITMQ=1
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

RABBITMQ_IMAGE=${SLUICE_RABBITMQ_IMAGE:-rabbitmq:4-management}
RABBITMQ_CONTAINER=sluice-rabbitmq

RABBITMQ_HOST=127.0.0.1
RABBITMQ_PORT=5672
RABBITMQ_MANAGEMENT_PORT=15672
RABBITMQ_VHOST=sluice
RABBITMQ_USER=sluice
RABBITMQ_PASSWORD_FILE=''
RABBITMQ_VERSION=''

# A node name that does not depend on the machine's name: it always resolves, and the data is found again after the
# machine was renamed.
_rabbit_node=rabbit@localhost
_rabbit_home=$SLUICE_STATE/rabbitmq

ensure_rabbitmq() {
  step 'RabbitMQ'
  if [[ -n ${SLUICE__BROKER__URL:-} ]]; then
    _rabbit_use_given
    return
  fi
  RABBITMQ_PASSWORD_FILE=$(ensure_secret "rabbitmq-$RABBITMQ_USER.password") || exit 1
  if ! _rabbit_set_up; then
    state_lock
    if ! _rabbit_listens; then
      _rabbit_start
    fi
    _rabbit_ensure_management
    _rabbit_ensure_admin
    _rabbit_ensure_vhost
    state_unlock
    _rabbit_set_up || fail "the broker does not accept the user $RABBITMQ_USER"
  fi
  _rabbit_warn_of_alarms
  RABBITMQ_VERSION=$(_rabbit_version)
  ok "${RABBITMQ_VERSION:-running}, $RABBITMQ_HOST:$RABBITMQ_PORT/$RABBITMQ_VHOST"
}

rabbitmq_exports() {
  printf 'SLUICE__BROKER__URL=%s\n' "$(rabbitmq_url)"
  local management
  management=$(rabbitmq_management_url)
  [[ -z $management ]] || printf 'SLUICE__BROKER__MANAGEMENT_URL=%s\n' "$management"
}

rabbitmq_url() {
  if [[ -n ${SLUICE__BROKER__URL:-} ]]; then
    printf '%s' "$SLUICE__BROKER__URL"
  else
    printf 'amqp://%s:%s@%s:%s/%s' "$RABBITMQ_USER" "$(<"$RABBITMQ_PASSWORD_FILE")" "$RABBITMQ_HOST" "$RABBITMQ_PORT" \
      "$RABBITMQ_VHOST"
  fi
}

rabbitmq_management_url() {
  if [[ -n ${SLUICE__BROKER__URL:-} ]]; then
    printf '%s' "${SLUICE__BROKER__MANAGEMENT_URL:-}"
  else
    printf 'http://%s:%s@%s:%s' "$RABBITMQ_USER" "$(<"$RABBITMQ_PASSWORD_FILE")" "$RABBITMQ_HOST" \
      "$RABBITMQ_MANAGEMENT_PORT"
  fi
}

# Only after ensure_rabbitmq, and only with a broker of this machine.
rabbitmq_user() {
  local status
  [[ -z ${SLUICE__BROKER__URL:-} ]] || fail "cannot make the user $1 on the broker of SLUICE__BROKER__URL"
  RABBITMQ_USER_PASSWORD_FILE=$(ensure_secret "rabbitmq-$1.password") || exit 1
  [[ $(_rabbit_api "$1" "$RABBITMQ_USER_PASSWORD_FILE" GET /api/whoami) == 200* ]] && return
  status=$(_rabbit_admin PUT "/api/users/$1" < <(
    printf '{"password":"%s","tags":"administrator"}' "$(<"$RABBITMQ_USER_PASSWORD_FILE")"
  ))
  [[ $status == 20* ]] || fail "the broker did not accept the user $1 ($status)"
  [[ $(_rabbit_admin GET /api/vhosts/%2F) != 200* ]] || _rabbit_grant %2F "$1"
}

stop_rabbitmq() {
  stop_daemon rabbitmq 60
  stop_daemon epmd 5
}

# ----------------------------------------------------------------------------------------------------- a given broker

_rabbit_use_given() {
  local rest=${SLUICE__BROKER__URL#*://}
  rest=${rest##*@}
  rest=${rest%%[/?]*}
  RABBITMQ_HOST=${rest%:*}
  RABBITMQ_PORT=5672
  [[ $SLUICE__BROKER__URL != amqps:* ]] || RABBITMQ_PORT=5671
  [[ $rest != *:* ]] || RABBITMQ_PORT=${rest##*:}
  wait_until 10 tcp_open "$RABBITMQ_HOST" "$RABBITMQ_PORT" ||
    fail "no broker at $RABBITMQ_HOST:$RABBITMQ_PORT" "It was named by SLUICE__BROKER__URL: start it, or unset the variable."
  [[ -n ${SLUICE__BROKER__MANAGEMENT_URL:-} ]] ||
    note 'SLUICE__BROKER__MANAGEMENT_URL is not set: containers share the given user'
  ok "$RABBITMQ_HOST:$RABBITMQ_PORT, as SLUICE__BROKER__URL says"
}

# ------------------------------------------------------------------------------------------- the management interface
#
# Spoken by bash itself: it takes milliseconds where rabbitmqctl takes seconds, and needs no curl.

# _rabbit_api USER PASSWORD_FILE METHOD PATH [<BODY]: prints the status, a blank, the body. "000" when nothing answers.
_rabbit_api() {
  local user=$1 file=$2 method=$3 path=$4 auth body='' fd answer
  [[ $method != PUT ]] || body=$(cat)
  auth=$(printf '%s:%s' "$user" "$(<"$file")" | base64 -w 0)
  if ! { exec {fd}<>"/dev/tcp/$RABBITMQ_HOST/$RABBITMQ_MANAGEMENT_PORT"; } 2>/dev/null; then
    printf '000 '
    return
  fi
  printf '%s %s HTTP/1.0\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$method" "$path" "$RABBITMQ_HOST" "$auth" "${#body}" "$body" >&"$fd"
  answer=$(timeout 10 cat <&"$fd" | tr -d '\r') || answer=''
  exec {fd}>&-
  [[ $answer == HTTP/* ]] || answer='HTTP/1.0 000'
  path=${answer#* }
  printf '%s %s' "${path:0:3}" "${answer#*$'\n\n'}"
}

_rabbit_admin() { _rabbit_api "$RABBITMQ_USER" "$RABBITMQ_PASSWORD_FILE" "$@"; }

# Any HTTP answer will do, a refusal too.
_rabbit_management_answers() { [[ $(_rabbit_admin GET /api/whoami) != 000* ]]; }

_rabbit_listens() { tcp_open "$RABBITMQ_HOST" "$RABBITMQ_PORT"; }

# The whole of what ensure_rabbitmq promises, in one look.
_rabbit_set_up() {
  _rabbit_listens && [[ $(_rabbit_admin GET "/api/permissions/$RABBITMQ_VHOST/$RABBITMQ_USER") == 200* ]]
}

_rabbit_version() {
  _rabbit_admin GET '/api/overview?columns=rabbitmq_version' | sed -n 's/.*"rabbitmq_version":"\([^"]*\)".*/\1/p'
}

# With an alarm on, the broker takes connections but no messages; nothing would show why.
_rabbit_warn_of_alarms() {
  [[ $(_rabbit_admin GET /api/health/checks/alarms) != 503* ]] ||
    warn 'the broker has a memory or disk alarm and takes no messages: free some disk space (512 MB) or memory'
}

_rabbit_ensure_vhost() {
  local status
  # Asked for first: creating one that exists resets its description and tags.
  if [[ $(_rabbit_admin GET "/api/vhosts/$RABBITMQ_VHOST") != 200* ]]; then
    status=$(_rabbit_admin PUT "/api/vhosts/$RABBITMQ_VHOST" <<<'{}')
    [[ $status == 20* ]] || fail "the broker did not create the virtual host $RABBITMQ_VHOST ($status)"
  fi
  _rabbit_grant "$RABBITMQ_VHOST" "$RABBITMQ_USER"
}

# _rabbit_grant VHOST USER
_rabbit_grant() {
  local status
  status=$(_rabbit_admin PUT "/api/permissions/$1/$2" <<<'{"configure":".*","write":".*","read":".*"}')
  [[ $status == 20* ]] || fail "the broker did not grant $2 the virtual host $1 ($status)"
}

# ------------------------------------------------------------------------------------------------- the command line
#
# Needed only for what cannot be done over HTTP yet: the plugin and the first administrator.

_rabbit_tool() {
  local tool=$1
  shift
  if daemon_alive rabbitmq; then
    (cd / && exec "${_as_rabbitmq[@]}" "/usr/lib/rabbitmq/bin/$tool" "$@")
  elif _rabbit_container_runs; then
    docker exec -i "$RABBITMQ_CONTAINER" "$tool" "$@"
  elif have "$tool" && is_root; then
    "$tool" "$@"
  else
    return 127
  fi
}

_rabbit_ensure_management() {
  _rabbit_management_answers && return
  note 'enabling the management plugin'
  _rabbit_tool rabbitmq-plugins -q enable rabbitmq_management >>"$(daemon_log rabbitmq-setup)" 2>&1 ||
    _rabbit_foreign 'its management interface is not enabled'
  wait_until 30 _rabbit_management_answers ||
    fail "the management interface does not answer on port $RABBITMQ_MANAGEMENT_PORT"
}

_rabbit_ensure_admin() {
  local log verb=add_user
  log=$(daemon_log rabbitmq-setup)
  [[ $(_rabbit_admin GET /api/vhosts) == 200* ]] && return
  note "making the user $RABBITMQ_USER"
  # It exists with another password when the state folder was removed in between.
  if _rabbit_tool rabbitmqctl -q list_users 2>>"$log" | cut -f1 | grep -qx "$RABBITMQ_USER"; then
    verb=change_password
  fi
  _rabbit_tool rabbitmqctl -q "$verb" "$RABBITMQ_USER" <"$RABBITMQ_PASSWORD_FILE" >>"$log" 2>&1 ||
    _rabbit_foreign "it does not know the user $RABBITMQ_USER"
  _rabbit_tool rabbitmqctl -q set_user_tags "$RABBITMQ_USER" administrator </dev/null >>"$log" 2>&1 ||
    fail "could not make $RABBITMQ_USER an administrator" "See $log"
  # Nobody needs the well-known account of a broker that is ours alone.
  if _rabbit_container_runs; then
    _rabbit_admin DELETE /api/users/guest >/dev/null
  fi
}

_rabbit_foreign() {
  show_tail "$(daemon_log rabbitmq-setup)"
  fail "a broker listens on port $RABBITMQ_PORT, but $1" \
    "Name it: SLUICE__BROKER__URL=amqp://USER:PASSWORD@HOST:5672/VHOST and SLUICE__BROKER__MANAGEMENT_URL=http://...," \
    "or stop it, and one is started for you."
}

# ------------------------------------------------------------------------------------------------- starting a broker

_rabbit_start() {
  if daemon_alive rabbitmq; then
    note 'waiting for the running broker'
    _rabbit_wait _rabbit_booted
  elif [[ ${SLUICE_RABBITMQ:-} == container ]]; then
    _rabbit_start_container || fail "could not run $RABBITMQ_IMAGE as a container"
  elif have rabbitmq-server; then
    _rabbit_start_installed
  elif have apt-cache && is_root && _rabbit_apt_has; then
    _rabbit_install
    # A package's own script may have started it already.
    _rabbit_listens || _rabbit_start_installed
  else
    _rabbit_start_container ||
      fail "there is no RabbitMQ here, and no way to get one" \
        "Install rabbitmq-server, or name a broker: SLUICE__BROKER__URL=amqp://USER:PASSWORD@HOST:5672/VHOST"
  fi
}

# A fresh system has no package lists at all.
_rabbit_apt_has() {
  apt_has rabbitmq-server || { _apt_update && apt_has rabbitmq-server; }
}

_rabbit_install() {
  # Under systemd the package starts its broker at once, so our settings must lie there before it.
  if has_systemd && [[ ! -e /etc/rabbitmq ]]; then
    install -D -m 0644 "$SLUICE_ROOT/deploy/rabbitmq/rabbitmq.conf" /etc/rabbitmq/conf.d/90-sluice.conf
  fi
  apt_install rabbitmq-server
  hash -r
}

_rabbit_start_installed() {
  is_root || fail "RabbitMQ is installed but does not run, and only root can start it" \
    "Start it (sudo systemctl start rabbitmq-server), or run this as root."
  if has_systemd; then
    note 'starting the service'
    run_quietly "$(daemon_log rabbitmq-setup)" systemctl start rabbitmq-server ||
      fail "systemctl start rabbitmq-server failed" "See: journalctl -u rabbitmq-server"
    wait_until 60 _rabbit_listens || fail "the broker does not listen" "See: journalctl -u rabbitmq-server"
    return
  fi
  note 'starting the broker'
  _rabbit_prepare_node
  _rabbit_start_epmd
  start_daemon rabbitmq rabbitmq-server "${_as_rabbitmq[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server
  _rabbit_wait _rabbit_booted
}

_rabbit_wait() {
  wait_until 120 "$@" && return
  show_tail "$(daemon_log rabbitmq)"
  fail "the broker does not start" "See $(daemon_log rabbitmq) and $_rabbit_home/log"
}

# Dead is final, hence 2. The AMQP listener opens last of all.
_rabbit_booted() {
  daemon_alive rabbitmq || return 2
  _rabbit_listens && _rabbit_management_answers
}

# Settings, data and logs of its own, so that an installed broker's stay untouched.
_rabbit_prepare_node() {
  install -d -m 0755 "$_rabbit_home" "$_rabbit_home/conf.d"
  install -d -m 0750 -o rabbitmq -g rabbitmq "$_rabbit_home/data" "$_rabbit_home/log"
  # A copy, since the broker's user may not be able to enter the checkout.
  install -m 0644 "$SLUICE_ROOT/deploy/rabbitmq/rabbitmq.conf" "$_rabbit_home/rabbitmq.conf"
  install -m 0640 -g rabbitmq /dev/null "$_rabbit_home/conf.d/10-local.conf"
  cat >"$_rabbit_home/conf.d/10-local.conf" <<CONF
# Containers reach every port of the host, and are given only AMQP.
management.tcp.ip = 127.0.0.1
management.tcp.port = $RABBITMQ_MANAGEMENT_PORT
# Read when the data folder is new: the first account is ours, and the well-known one is never made.
default_user = $RABBITMQ_USER
default_pass = $(<"$RABBITMQ_PASSWORD_FILE")
default_user_tags.administrator = true
CONF
  printf '[rabbitmq_management].\n' >"$_rabbit_home/enabled_plugins"
  chown rabbitmq:rabbitmq "$_rabbit_home/enabled_plugins"
}

# Erlang's port mapper: the broker would start one that listens on every interface.
_rabbit_start_epmd() {
  tcp_open 127.0.0.1 4369 && return
  start_daemon epmd epmd setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups epmd -address 127.0.0.1
  wait_until 10 tcp_open 127.0.0.1 4369 || fail "epmd does not start" "See $(daemon_log epmd)"
}

# As the package's user, which owns the data and the cookie (the packaged wrapper does the same by way of su), and with
# the same environment for the broker and for the tools that look for it.
_as_rabbitmq=(
  setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups
  env
  HOME=/var/lib/rabbitmq # where the Erlang cookie is
  LANG=C.UTF-8
  RABBITMQ_NODENAME="$_rabbit_node"
  RABBITMQ_CONF_ENV_FILE=/dev/null
  RABBITMQ_CONFIG_FILE="$_rabbit_home/rabbitmq.conf"
  RABBITMQ_CONFIG_FILES="$_rabbit_home/conf.d"
  RABBITMQ_ENABLED_PLUGINS_FILE="$_rabbit_home/enabled_plugins"
  RABBITMQ_MNESIA_BASE="$_rabbit_home/data"
  RABBITMQ_LOG_BASE="$_rabbit_home/log"
  'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}'
  ERL_EPMD_ADDRESS=127.0.0.1
)

# ------------------------------------------------------------------------------------------------- as a container

_rabbit_container_runs() {
  have docker && [[ $(docker container inspect -f '{{.State.Running}}' "$RABBITMQ_CONTAINER" 2>/dev/null) == true ]]
}

_rabbit_start_container() {
  local log
  log=$(daemon_log rabbitmq-setup)
  have docker || return 1
  note "running $RABBITMQ_IMAGE as a container"
  if ! docker container inspect "$RABBITMQ_CONTAINER" >/dev/null 2>&1; then
    if ! docker image inspect "$RABBITMQ_IMAGE" >/dev/null 2>&1; then
      run_quietly "$log" timeout "${SLUICE_PULL_SECONDS:-120}" docker pull -q "$RABBITMQ_IMAGE" || return 1
    fi
    # The settings are copied in, not mounted: the engine may be on another machine. The hostname names the data.
    run_quietly "$log" docker create --name "$RABBITMQ_CONTAINER" --hostname "$RABBITMQ_CONTAINER" \
      --restart unless-stopped --volume "$RABBITMQ_CONTAINER:/var/lib/rabbitmq" \
      --publish "$RABBITMQ_PORT:5672" --publish "127.0.0.1:$RABBITMQ_MANAGEMENT_PORT:15672" \
      "$RABBITMQ_IMAGE" || return 1
    run_quietly "$log" docker cp "$SLUICE_ROOT/deploy/rabbitmq/rabbitmq.conf" \
      "$RABBITMQ_CONTAINER:/etc/rabbitmq/conf.d/90-sluice.conf" || return 1
  fi
  run_quietly "$log" docker start "$RABBITMQ_CONTAINER" || return 1
  wait_until 90 _rabbit_container_booted
}

_rabbit_container_booted() {
  _rabbit_container_runs || return 2
  _rabbit_listens && _rabbit_management_answers
}
