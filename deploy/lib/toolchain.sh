# shellcheck shell=bash
#
# ensure_toolchain: a Rust toolchain that is new enough, and a C compiler that can link a static program.

[[ -n ${SLUICE_LIB_TOOLCHAIN:-} ]] && return 0
SLUICE_LIB_TOOLCHAIN=1
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

ensure_toolchain() {
  local wanted version
  step 'Toolchain'
  # rustup's folder is often missing from the PATH of a shell that is no login shell.
  if ! have cargo && [[ -x ${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
    export PATH
  fi
  wanted=$(_rust_wanted)
  have cargo || fail "cargo was not found" "Sluice needs Rust $wanted or newer: https://rustup.rs"
  version=$(cargo --version | cut -d' ' -f2)
  _version_reaches "$version" "$wanted" ||
    fail "cargo $version is too old" "Sluice needs Rust $wanted or newer: rustup update stable"
  # Binaries are linked statically, so that images need no base; libc's static archive comes with its -dev package.
  if ! _cc_links_static; then
    apt_install gcc libc6-dev
    _cc_links_static || fail "the C compiler (cc) cannot link a static program" "Install gcc and libc6-dev."
  fi
  ok "cargo $version, $(cc -dumpfullversion -dumpversion 2>/dev/null | sed 's/^/cc /')"
}

# Cargo.toml is the one place that says it.
_rust_wanted() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$SLUICE_ROOT/Cargo.toml" | head -n 1; }

# _version_reaches HAVE WANT
_version_reaches() { [[ $(printf '%s\n%s\n' "$2" "${1%%-*}" | sort -V | head -n 1) == "$2" ]]; }

_cc_links_static() {
  local out status=0
  have cc || return 1
  out=$(mktemp)
  cc -static -x c -o "$out" - <<<'int main(void) { return 0; }' 2>/dev/null || status=1
  rm -f -- "$out"
  return "$status"
}
