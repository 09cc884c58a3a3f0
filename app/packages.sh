# shellcheck shell=bash
# packages - what a Debian 12 needs to build weft and to test it. Sourced by app/run and tests/run.
#
#   packages_install NAME...   installs those that are missing; asks the network for nothing when none is
#   quietly LOG COMMAND...     runs COMMAND with its output in LOG, which is shown if it fails
#   die SENTENCE               ends the script with that sentence

# shellcheck disable=SC2034 # both lists are for the scripts that source this
packages_to_build=(
    cmake ninja-build gcc libc6-dev pkgconf
    libcjson-dev libncurses-dev libsodium-dev libsqlite3-dev libssl-dev libutf8proc-dev libzstd-dev
    libuv1-dev libwebsockets-dev libwebsockets-evlib-uv
)
# shellcheck disable=SC2034
packages_to_test=(
    clang clang-tidy fish libclang-rt-14-dev libcmocka-dev libvterm-dev ncurses-term shellcheck valgrind zlib1g-dev zsh
)

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

quietly()
{
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null && return
    cat "$log" >&2
    return 1
}

packages_missing()
{
    local name status
    for name; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) || status=unknown
        [[ $status == installed* ]] || printf '%s\n' "$name"
    done
}

packages_as_root()
{
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

packages_apt_get()
{
    packages_as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# Package lists may be missing (a fresh container) or too old to fetch by: only then are they fetched.
packages_fetch()
{
    packages_apt_get install --no-install-recommends "$@" && return
    packages_apt_get update && packages_apt_get install --no-install-recommends "$@"
}

packages_install()
{
    command -v apt-get >/dev/null ||
        die "packages are installed with apt-get, which is not here; install what is called on Debian: $*"
    local missing log
    mapfile -t missing < <(packages_missing "$@")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
        die "these packages are missing, and installing them needs root or sudo: ${missing[*]}"
    printf 'Installing %s\n' "${missing[*]}" >&2
    log=$(mktemp)
    packages_fetch "${missing[@]}" >"$log" 2>&1 || {
        cat "$log" >&2
        rm -f "$log"
        die "apt-get could not install: ${missing[*]}"
    }
    rm -f "$log"
}
