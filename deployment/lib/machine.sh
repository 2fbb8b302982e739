# Sourced by deployment/setup_celery_systemd.sh: what the machine needs before the album comes.
# shellcheck shell=bash

changed=()

# put MODE OWNER:GROUP FILE TEXT : makes FILE say TEXT; notes the change where it did not.
put() {
    local mode=$1 owner=$2 file=$3 new=$3.part~
    [ "$(cat "$file" 2>/dev/null && echo .)" != "$4"$'\n.' ] || return 0
    mkdir -p "${file%/*}"
    install -m "$mode" -o "${owner%:*}" -g "${owner#*:}" /dev/null "$new"
    printf '%s\n' "$4" >"$new"
    mv -f "$new" "$file"
    changed+=("$file")
}

# drop FILE : removes it, and its folder where nothing else is in there; notes the change.
drop() {
    [ -e "$1" ] || return 0
    rm -f "$1"
    rmdir --ignore-fail-on-non-empty "${1%/*}"
    changed+=("$1")
}

# require_root : root, and nobody else at it.
require_root() {
    [ "$(id -u)" -eq 0 ] || fail "this needs root: sudo $0"
    exec {LOCK}>/run/lock/photo-album-setup
    flock --nonblock "$LOCK" || fail "another run of this program is at it: wait for its end"
}

# find_python : PYTHON is the first one that is new enough.
find_python() {
    for PYTHON in python3 python3.13 python3.12 python3.11 ""; do
        [ -n "$PYTHON" ] && "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return 0
    done
    command -v python3 >/dev/null || return 0 # it is going to be installed
    fail "Python 3.11 or newer is needed, and $(python3 --version) is here. Debian 12, Ubuntu 24.04 and newer have it"
}

# is_library_or_free : whether DATA_DIR may be ours altogether.
is_library_or_free() {
    is_installed || [ -e "$DATA_DIR/photo_album.sqlite3" ] || [ -e "$DATA_DIR/media/.photo-album" ] || [ -e "$DATA_DIR/settings.env" ] ||
        [ -z "$(find "$DATA_DIR" -mindepth 1 -maxdepth 1 ! -name lost+found 2>/dev/null)" ]
}

# require_ours : what stands where the program goes was put there by this program.
require_ours() {
    local dir
    for dir in "$APP_DIR" "$APP_DIR.new" "$PREVIOUS"; do
        [ -e "$dir/.answers" ] || [ ! -d "$dir" ] || [ -z "$(ls -A "$dir")" ] ||
            fail "$dir is not empty and was not made by this program. Move it away (a checkout, too), or say --app-dir"
    done
}

# require_files_elsewhere : nothing that cannot be made again lies in the program's folder, not even behind a link.
require_files_elsewhere() {
    local name dir
    for name in DATA_DIR PHOTO_ALBUM_VAR_DIR MEDIA_ROOT BACKUP_DIR DATABASE_URL; do
        case $name in DATABASE_URL) dir=$(sqlite_file) ;; *) dir=$(setting "$name") ;; esac
        [ -n "$dir" ] || continue
        case $dir/:$(realpath -m "$dir")/ in # [!/~]: a path that is not absolute begins where the album runs
            [!/~]* | "$APP_DIR"/* | *:"$(realpath -m "$APP_DIR")"/*)
                refuse "$name=$dir must not lie in $APP_DIR, which upgrades replace and --uninstall removes: take another folder.
Where the album uses this one already: sudo systemctl stop photo-album.target, move it, name its new place in $APP_DIR/.env" ;;
        esac
    done
}

free_mb() { # DIR, which need not be there yet
    local dir=$1
    until [ -d "$dir" ]; do dir=$(dirname "$dir"); done
    df -Pm "$dir" | awk 'NR == 2 { print $4 }'
}

is_gpu_host() { [ "$PROFILE" = gpu ] || { [ "$PROFILE" = auto ] && [ -e /proc/driver/nvidia/version ]; }; }

# check_machine : refuses a machine on which the album could not live, with what to do.
check_machine() {
    local memory_mb needed_mb=1500 name
    memory_mb=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    [ "$memory_mb" -ge 450 ] || fail "$memory_mb MB of memory are too few: the album needs 450 MB, and 1 GB to know objects"
    case $(dpkg --print-architecture 2>/dev/null || uname -m) in amd64 | arm64 | x86_64 | aarch64) ;;
        *) fail "this is a 32-bit system, for which there is no network runtime. The same board runs the 64-bit edition" ;; esac
    find_python
    ! is_gpu_host || needed_mb=9000
    is_installed || [ "$(free_mb "$APP_DIR")" -ge "$needed_mb" ] ||
        fail "$(free_mb "$APP_DIR") MB are free for $APP_DIR; $needed_mb MB are needed. Make room, or say --app-dir"
    [ "$(free_mb "$DATA_DIR")" -ge 300 ] || fail "the disk of $DATA_DIR is full. Make room, or say --data-dir"
    require_ours
    is_library_or_free || fail "$DATA_DIR holds other things than an album: say --data-dir with an empty or new folder"
    for name in MEDIA_ROOT BACKUP_DIR MODELS_CACHE_DIR; do folder_setting "$name" >/dev/null; done
    [ -d /run/systemd/system ] || fail "systemd does not run this machine. Without it: scripts/run, or deployment/DOCKER.md"
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || grep -qw memory /sys/fs/cgroup/cgroup.controllers ||
        say "This kernel limits no service's memory. Raspberry Pi: add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt"
    say "This machine can run the album: $memory_mb MB of memory, $(free_mb "$APP_DIR") MB free for $APP_DIR."
}

# install_prerequisites : Debian packages, where what they bring is missing.
install_prerequisites() {
    local wanted=(python3=python3 msgfmt=gettext logrotate=logrotate) redis=""
    if [ -z "$WORKER_ONLY" ] && [ -z "$(setting CELERY_BROKER_URL)" ]; then
        wanted+=(redis-server=redis-server)
        command -v redis-server >/dev/null && ! grep -qs '^# OWN_REDIS' "$DATA_DIR/settings.env" || redis=yes
    fi
    [ -z "$DOMAIN" ] || wanted+=(nginx=nginx)
    case $(setting DATABASE_URL) in postgres*) wanted+=(pg_dump=postgresql-client) ;; esac
    "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || wanted+=("no-such-command=${PYTHON:-python3}-venv")
    (install_packages "${wanted[@]}") || fail "packages could not be installed. With a network, run this again;
    without one, install them from your system's medium first: ${wanted[*]#*=}"
    find_python
    install_compiler
    OWN_REDIS=${redis:-$OWN_REDIS}
}

# install_compiler : one package comes as source for a Python that is newer than its builds (blurhash-python 1.2.2: 3.12).
install_compiler() {
    [ -z "$OFFLINE_BUNDLE" ] && "$PYTHON" -c 'if True:
        import os, sys, sysconfig
        has_headers = os.path.exists(sysconfig.get_path("include") + "/Python.h")
        sys.exit(sys.version_info < (3, 13) or has_headers)' || return 0
    (install_packages no-such-command=gcc no-such-command=libc6-dev "no-such-command=$PYTHON-dev") ||
        fail "a compiler could not be installed; the lines above say why. Then run this again"
}

make_user_and_folders() {
    if ! id "$APP_USER" >/dev/null 2>&1; then
        say "Making the user $APP_USER"
        useradd --system --user-group --home-dir "$DATA_DIR" --no-create-home --shell /usr/sbin/nologin "$APP_USER"
        OWN_USER=yes
    fi
    APP_GROUP=$(id -gn "$APP_USER")
    mkdir -p "$(dirname "$APP_DIR")" "$(dirname "$DATA_DIR")"
    [ -d "$DATA_DIR" ] || install -d -m 0750 -o "$APP_USER" -g "$APP_GROUP" "$DATA_DIR"
    [ "$(stat -c %U "$DATA_DIR")" = "$APP_USER" ] || chown -R "$APP_USER:$APP_GROUP" "$DATA_DIR"
}

# setting NAME : its value as asked for now, else as .env has it, also that of an album that was uninstalled.
setting() {
    local file=$APP_DIR/.env
    [ -z "${!1:-}" ] || { printf %s "${!1}"; return 0; }
    [ -e "$file" ] || file=${DATA_DIR:-}/settings.env
    [ ! -r "$file" ] || sed -n "/^$1=/{s|^$1=||; s|^\([\"']\)\(.*\)\1\$|\2|; p; q}" "$file"
}

# folder_setting NAME : the same; it goes into units and sites, so it must be a plain path.
folder_setting() {
    local dir; dir=$(setting "$1")
    [[ -z $dir || $dir =~ ^(/[A-Za-z0-9._-]+)+/?$ ]] ||
        fail "$1=$dir in $APP_DIR/.env is no plain absolute path: letters, digits, dots and dashes, no spaces"
    printf %s "${dir%/}"
}

# set_line NAME VALUE : NAME=VALUE in $text, in the place of another value.
set_line() {
    text=$(grep -v "^$1=" <<<"$text" || true)
    text=${text:+$text$'\n'}$1=$2
}

# write_settings : .env, made once; later only what was asked for now is changed in it.
write_settings() {
    local text names
    if [ -e "$APP_DIR/.env" ]; then
        text=$(cat "$APP_DIR/.env")
    elif [ -e "$DATA_DIR/settings.env" ]; then # an album was uninstalled that had this library
        # The site in front of it went, too, and HTTPS with it; another proxy than ours is one for --listen.
        text=$(sed '/^X_ACCEL_REDIRECT_PREFIX=/d' "$DATA_DIR/settings.env")
        if [ -z "$LISTEN" ] && grep -q '^BEHIND_TLS=' <<<"$text"; then
            text=$(sed '/^BEHIND_TLS=/d' <<<"$text")
            say "BEHIND_TLS is left out: say it again in $APP_DIR/.env as soon as HTTPS works"
        fi
    else
        names=127.0.0.1,localhost,$(hostname),$(hostname).local,$(hostname -I | xargs | tr ' ' ,)
        text="# Settings of this album; docs/configuration.md names them all. Then: systemctl restart photo-album.target
SECRET_KEY=$("$APP_DIR/venv/bin/python" -c 'import secrets; print(secrets.token_urlsafe(50))')
PHOTO_ALBUM_VAR_DIR=$DATA_DIR
ALLOWED_HOSTS=${names%,}
TIME_ZONE=$(readlink -f /etc/localtime | sed -n 's|^/usr/share/zoneinfo/||p' | grep . || echo UTC)"
    fi
    [ -z "$STATED_PROFILE" ] || set_line AI_PROFILE "$PROFILE"
    [ -z "$MEDIA_ROOT" ] || set_line MEDIA_ROOT "$MEDIA_ROOT"
    [ -z "$DATABASE_URL" ] || set_line DATABASE_URL "$DATABASE_URL"
    [ -z "$CELERY_BROKER_URL" ] || set_line CELERY_BROKER_URL "$CELERY_BROKER_URL"
    [ -z "$WORKER_ONLY" ] || set_line WORKER_QUEUES ai
    names=$(sed -n 's|^ALLOWED_HOSTS=||p' <<<"$text")
    if [ -n "$DOMAIN" ] && { [ ! -e "$APP_DIR/.env" ] || [[ ,$names, != *",$DOMAIN,"* ]]; }; then
        set_line X_ACCEL_REDIRECT_PREFIX /protected/
        [[ ,$names, = *",$DOMAIN,"* ]] || set_line ALLOWED_HOSTS "$names,$DOMAIN"
    fi
    put 0640 "root:$APP_GROUP" "$APP_DIR/.env" "$text"
    rm -f "$DATA_DIR/settings.env"
}

# tune_machine : the journal survives a reboot and has a limit; a Redis that only the album uses writes nothing.
tune_machine() {
    local before=${#changed[@]} unit=/etc/systemd/system/redis-server.service.d/50-photo-album.conf
    put 0644 root:root /etc/systemd/journald.conf.d/50-photo-album.conf "# Of Photo Album
[Journal]
Storage=persistent
SystemMaxUse=200M"
    [ "${#changed[@]}" -eq "$before" ] || systemctl restart systemd-journald
    [ -n "$OWN_REDIS" ] || return 0
    before=${#changed[@]}
    put 0644 root:root "$unit" "# Of Photo Album: what waits is in its database, Redis keeps nothing that must be stored.
[Service]
ExecStart=
ExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no --save '' --appendonly no"
    [ "${#changed[@]}" -eq "$before" ] || { systemctl daemon-reload; systemctl restart redis-server; }
    systemctl enable --quiet --now redis-server
}
