# Sourced by scripts/run and scripts/test: what both need of the machine, installed only where it is missing.
# shellcheck shell=bash

say() { printf '\033[1m%s\033[0m\n' "$*"; }
fail() { printf 'photo-album: %s\n' "$*" >&2; exit 1; }

# install_packages COMMAND=PACKAGE... : installs the Debian package of each command that is not there.
install_packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null 2>&1 || [ -x "${pair%%=*}" ] || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || fail "please install ${missing[*]}; this machine has no apt-get"
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    say "Installing ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >/dev/null
}

# compile_languages : the catalogues of album/locale as the album reads them.
compile_languages() {
    install_packages msgfmt=gettext
    local catalogue
    for catalogue in album/locale/*/LC_MESSAGES/django.po; do
        msgfmt --check-format --output-file "${catalogue%.po}.mo" "$catalogue"
    done
}

# make_environment FILE... : a .venv that holds these requirement files; nothing to do when it does.
make_environment() {
    command -v python3 >/dev/null || install_packages python3=python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"
    python3 -c 'import ensurepip' 2>/dev/null || install_packages no-such-command=python3-venv
    [ -x .venv/bin/python ] || python3 -m venv .venv
    local file stamp hashes
    for file in "$@"; do
        stamp=.venv/.installed-$file
        cmp -s "$file" "$stamp" && continue
        say "Installing $file"
        hashes=()
        # A locked file is complete: pip has nothing to resolve.
        grep -q -- --hash "$file" && hashes=(--require-hashes --no-deps)
        .venv/bin/pip install -qq --disable-pip-version-check "${hashes[@]}" -r "$file"
        cp "$file" "$stamp"
    done
}
