# Sourced by deployment/setup_celery_systemd.sh: the program, its environment, the way forth and back.
# Each return says its status: on the way out of a failed run a bare one would give the failure's.
# shellcheck shell=bash

undo="" was_started="" UNPACKED=""
PARTS=(.env.example LICENSE README.md album deployment docs manage.py models_cache/README.md photo_album
    pyproject.toml requirements.txt requirements-assets.txt requirements-torch.txt scripts)

as_user() { setpriv --reuid "$APP_USER" --regid "$APP_GROUP" --init-groups env HOME="$DATA_DIR" "$@"; }
manage() { (cd "$APP_DIR" && umask 027 && as_user venv/bin/python manage.py "$@"); }

source_files() {
    (cd "$SOURCE" && find "${PARTS[@]}" -type f ! -path '*/__pycache__/*' ! -path 'album/static/vendor/*' ! -name '*.mo' \
        -print0 | sort -z)
}

# release_id : differs when the program, its requirements or its Python do.
release_id() {
    { (cd "$SOURCE" && source_files | xargs -0 sha256sum); "$PYTHON" --version; ! is_gpu_host || echo gpu; } | sha256sum | cut -c1-16
}

# build_release DIR : everything of the program in DIR, ready to be renamed to APP_DIR; nothing else is touched.
build_release() {
    say "Preparing the program in $1"
    rm -rf "$1"
    mkdir -p "$1/models_cache"
    : >"$1/.answers" # by this file the folder is known as ours
    source_files | tar -C "$SOURCE" --null -T - --owner=root --group=root --mode=u=rwX,go=rX -c | tar -x -C "$1"
    make_venv "$1"
    ln -s venv "$1/.venv" # where manage.py looks
    (cd "$1" && compile_languages)
    fetch_libraries "$1"
    "$1/venv/bin/python" -m compileall -q -s "$1" -p "$APP_DIR" "$1/album" "$1/photo_album"
}

# pip_options FILE : options are those for this requirement file.
pip_options() {
    options=(-qq --no-cache-dir --disable-pip-version-check)
    ! grep -q -- --hash "$1" || options+=(--require-hashes --no-deps) # torch has a build, hence a hash, per accelerator
}

make_venv() { # DIR
    local files=(requirements.txt) file options
    ! is_gpu_host || files+=(requirements-torch.txt)
    if (cd "$1" && cat "${files[@]}"; "$PYTHON" --version) | cmp -s - "$APP_DIR/venv/.made-of"; then
        cp -al "$APP_DIR/venv" "$1/venv"
        return 0
    fi
    "$PYTHON" -m venv "$1/venv"
    mkdir "$1/tmp" # /tmp may lie in memory
    for file in "${files[@]}"; do
        say "Installing $file"
        pip_options "$1/$file"
        [ -z "$UNPACKED" ] || options+=(--no-index --find-links "$UNPACKED/wheels")
        TMPDIR=$1/tmp "$1/venv/bin/python" -m pip install "${options[@]}" -r "$1/$file" ||
            fail "$file could not be installed; the lines above say why. Run this again, with a network or --offline-bundle"
    done
    # The programs in bin/ name their Python by its path.
    grep -rlIZF "$1/venv" "$1/venv/bin" "$1/venv/pyvenv.cfg" | xargs -0 sed -i "s|$1/venv|$APP_DIR/venv|g"
    (cd "$1" && cat "${files[@]}"; "$PYTHON" --version) >"$1/venv/.made-of"
}

fetch_libraries() { # DIR
    local known
    for known in "$UNPACKED" "$APP_DIR/album/static"; do
        [ ! -d "$known/vendor" ] || { cp -a "$known/vendor" "$1/album/static/vendor"; break; }
    done
    mkdir -p "$1/tmp"
    TMPDIR=$1/tmp PHOTO_ALBUM_ENV_FILE=/dev/null PHOTO_ALBUM_VAR_DIR=$1/tmp/var "$1/venv/bin/python" "$1/manage.py" fetch_assets ||
        fail "the front-end libraries are missing; the line above says why. Then run this again"
    rm -rf "$1/tmp"
    chmod -R u=rwX,go=rX "$1/album/static"
}

# put_release_in_place : swaps APP_DIR.new in, with the weights and settings of the one before.
put_release_in_place() {
    if [ -d "$APP_DIR" ]; then
        [ ! -e "$APP_DIR/.env" ] || cp -a "$APP_DIR/.env" "$APP_DIR/.answers" "$APP_DIR.new"
        [ ! -d "$APP_DIR/models_cache" ] || cp -aln "$APP_DIR/models_cache" "$APP_DIR.new"
        mv "$APP_DIR" "$PREVIOUS"
    fi
    chown -R "$APP_USER:$APP_GROUP" "$APP_DIR.new/models_cache"
    mv "$APP_DIR.new" "$APP_DIR"
    [ -n "$undo" ] || rm -rf "$PREVIOUS"
}

# prepare_data : brings the library to the program.
prepare_data() {
    [ -z "$WORKER_ONLY" ] || return 0
    say "Preparing the library in $DATA_DIR"
    manage migrate --no-input --verbosity 0
    manage setup_beat_schedule
    manage collectstatic --no-input --verbosity 0
}

sqlite_file() { # the database, where it is a file; it may lie behind a link, on a faster disk
    local url; url=$(setting DATABASE_URL)
    : "${url:=sqlite:///$DATA_DIR/photo_album.sqlite3}"
    case $url in sqlite:///*) realpath -m "${url#sqlite:///}" ;; esac
}

# prepare_way_back : the album is stopped, and its database kept as it is after the last write.
prepare_way_back() {
    undo=yes
    systemctl disable --quiet photo-album.target # after a power cut, nothing may write before the next run went back
    stop_units
    rm -rf "$PREVIOUS" "$APP_DIR/.database" "$APP_DIR/.database.part"
    [ -n "$WORKER_ONLY" ] || keep_database
}

# keep_database : a backup for people, and for the way back a copy of SQLite's files, which needs no program.
keep_database() {
    local file part status=0 words kept=$APP_DIR/.database.part
    say "Backing up the database before the upgrade"
    words=$(manage backup --database-only --no-progress) || status=$?
    [ "$status" -le 1 ] || fail "there is no backup, so nothing was changed. Mend what the lines above say, and run this again"
    printf '%s\n' "$words"
    install -d -m 0700 "$kept"
    sed -n 's|^\(/[^:]*\): the database.*|\1|p' <<<"$words" >"$kept/name"
    file=$(sqlite_file)
    for part in ${file:+"$file" "$file-wal"}; do
        [ ! -e "$part" ] || as_user cat "$part" >"$kept/${part##*/}" ||
            fail "the database could not be copied to $APP_DIR, so nothing was changed. Make room there, and run this again"
    done
    sync -f "$kept"
    mv "$kept" "$APP_DIR/.database"
}

# set_aside FILE : a database that somebody may have worked with since is not thrown away.
set_aside() {
    local kept=$1.interrupted
    as_user rm -f "$1-shm" || return 1
    if [ -z "$was_started" ]; then
        as_user rm -f "$1-wal" || return 1 # the file itself is replaced
        return 0
    fi
    while [ -e "$kept" ]; do kept+=-too; done # of a way back that was interrupted itself
    [ ! -e "$1-wal" ] || as_user mv -fT "$1-wal" "$kept-wal" || return 1
    [ ! -e "$1" ] || as_user mv -fT "$1" "$kept" || return 1
    say "The database as the failed upgrade left it: $kept"
}

# lay_beside FILE : what was kept of it. As the album's user, in whose folders root would follow a link to anywhere.
lay_beside() {
    local part kept=$PREVIOUS/.database/${1##*/}
    for part in "$kept"*; do
        (umask 027 && as_user tee "$1${part#"$kept"}.back" <"$part" >/dev/null) || return 1
    done
    sync -f "$1.back"
}

# return_sqlite FILE : nothing of what is there goes before the one of before lies whole beside it, but for what a
# migration made that filled the disk: nobody has worked with that, and what was kept stays until the end.
return_sqlite() {
    local part kept=$PREVIOUS/.database/${1##*/}
    lay_beside "$1" || { [ -z "$was_started" ] && as_user rm -f "$1" "$1-wal" && lay_beside "$1"; } || return 1
    set_aside "$1" || return 1
    for part in "$kept"*; do
        as_user mv -fT "$1${part#"$kept"}.back" "$1${part#"$kept"}" || return 1
    done
    sync -f "$1"
}

return_database() {
    local file; file=$(sqlite_file)
    [ -d "$PREVIOUS/.database" ] || return 0
    if [ -n "$file" ]; then
        return_sqlite "$file"
    else
        APP_DIR=$PREVIOUS manage restore --force --no-progress "$(cat "$PREVIOUS/.database/name")"
    fi
}

# roll_back : the previous program and database, as they were when it was stopped.
roll_back() {
    say "Going back to the release before"
    undo=""
    stop_units
    if [ -d "$PREVIOUS" ]; then
        return_database || fail "the database could not be put back; it lies in $PREVIOUS/.database. Make room on its disk, and run this again"
        rm -rf "$APP_DIR"
        mv "$PREVIOUS" "$APP_DIR"
    fi
    rm -rf "$APP_DIR/.database" "$APP_DIR/.database.part"
    [ -n "$WORKER_ONLY" ] || manage collectstatic --no-input --verbosity 0
    changed+=("$APP_DIR")
    install_units
    start_units
    verify
    enable_units
}

forget_way_back() {
    undo=""
    rm -rf "$PREVIOUS"
}

# finish_interrupted_swap : the power went between the two renames; nothing of the new release has run.
finish_interrupted_swap() {
    [ "$(id -u)" -eq 0 ] && [ "$ACTION" != check ] && [ ! -e "$APP_DIR" ] && [ -e "$PREVIOUS/.release" ] || return 0
    say "An upgrade was interrupted"
    mv "$PREVIOUS" "$APP_DIR"
}

finish_interrupted_upgrade() {
    rm -rf "$APP_DIR.new"
    # With .release the new one was verified; without one in the other there was no album before.
    if [ -e "$APP_DIR/.release" ] || [ ! -e "$PREVIOUS/.release" ]; then
        rm -rf "$PREVIOUS" "$APP_DIR/.database"
        return 0
    fi
    say "An upgrade was interrupted"
    was_started=yes
    APP_GROUP=$(id -gn "$APP_USER")
    roll_back
}

# finish : on the way out of a failed run.
finish() {
    local status=$?
    [ -z "$UNPACKED" ] || rm -rf "$UNPACKED"
    [ "$status" -ne 0 ] || return 0
    rm -rf "$APP_DIR.new"
    [ -n "$undo" ] || { echo "photo-album: not finished. Once the cause is mended, run this again: it goes on from here." >&2; exit "$status"; }
    roll_back && fail "the upgrade failed for the reason above. The release before is running again, nothing is lost"
}

unpack_bundle() {
    [ -n "$OFFLINE_BUNDLE" ] || return 0
    UNPACKED=$(mktemp -d -p "$(dirname "$APP_DIR")" .bundle.XXXXXX)
    tar -x -C "$UNPACKED" --no-same-owner -f "$OFFLINE_BUNDLE" || fail "$OFFLINE_BUNDLE is damaged: copy it again"
    chmod -R u=rwX,go=rX "$UNPACKED"
    [ "$(cat "$UNPACKED/made-for" 2>/dev/null)" = "$(machine_kind)" ] ||
        fail "$OFFLINE_BUNDLE is for $(cat "$UNPACKED/made-for"), and this is $(machine_kind). Make one on a machine like this"
}

machine_kind() { "$PYTHON" -c 'import platform, sys; print(platform.machine(), "with Python %d.%d" % sys.version_info[:2])'; }

# make_bundle : wheels, front-end libraries and weights in one tar.
make_bundle() {
    local work files=(requirements.txt) file python options
    find_python
    work=$(mktemp -d -p "$(dirname "$(realpath "$MAKE_BUNDLE")")" .bundle.XXXXXX)
    # shellcheck disable=SC2064 # as it is now
    trap "rm -rf '$work'" EXIT
    ! is_gpu_host || files+=(requirements-torch.txt)
    mkdir -p "$work/bundle/wheels"
    "$PYTHON" -m venv "$work/pip"
    for file in "${files[@]}"; do
        say "Fetching $file"
        pip_options "$SOURCE/$file"
        "$work/pip/bin/pip" download "${options[@]}" --dest "$work/bundle/wheels" -r "$SOURCE/$file"
    done
    # What comes as source is built where it is installed.
    "$work/pip/bin/pip" download -qq --disable-pip-version-check --no-cache-dir --dest "$work/bundle/wheels" setuptools
    UNPACKED=$work/bundle APP_DIR=$work/app
    build_release "$work/made"
    mv "$work/made" "$work/app"
    mv "$work/app/album/static/vendor" "$work/bundle"
    python=$work/app/venv/bin/python
    export PHOTO_ALBUM_ENV_FILE=/dev/null PHOTO_ALBUM_VAR_DIR=$work/var MODELS_CACHE_DIR=${MODELS_CACHE_DIR:-$work/models}
    if [ -z "$NO_MODEL" ]; then
        "$python" "$work/app/manage.py" download_models ${STATED_PROFILE:+--profile "$STATED_PROFILE"}
        "$python" "$work/app/manage.py" bundle_models "$work/bundle/weights.tar"
    fi
    machine_kind >"$work/bundle/made-for"
    tar -C "$work/bundle" -cf "$MAKE_BUNDLE" .
    say "$MAKE_BUNDLE: $(du -m "$MAKE_BUNDLE" | cut -f1) MB, for $(machine_kind)"
}
