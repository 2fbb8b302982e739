#!/usr/bin/env bash
# Installs Photo Album on this machine, with everything it needs, and keeps it up to date.
#
#   sudo ./deployment/setup_celery_systemd.sh [OPTIONS]
#
# Doing it again changes nothing, unless this checkout or an answer is another one. Each answer may also come from the
# environment (the name in brackets) and is remembered.
#
#   --yes                 ask nothing [YES=yes]
#   --app-dir DIR         the program: /var/www/photo_album [APP_DIR]
#   --data-dir DIR        the library: /var/lib/photo-album [DATA_DIR]
#   --media-dir DIR       the originals, where they lie elsewhere, such as on a share [MEDIA_ROOT]
#   --user NAME           who runs it: www-data; made if missing [APP_USER]
#   --domain NAME         behind nginx under this name; otherwise it answers itself on port 8000 [DOMAIN]
#   --listen ADDR:PORT    where it answers itself: 0.0.0.0:8000, behind nginx 127.0.0.1:8000 [LISTEN]
#   --profile NAME        auto, minimal, raspberry-pi, mid-range, high-end or gpu [PROFILE]
#   --admin NAME          the first administrator [ADMIN_USER, ADMIN_EMAIL, ADMIN_PASSWORD]
#   --no-model            fetch no weights: photos are described by light, colors, time and place [NO_MODEL=yes]
#   --database-url URL    PostgreSQL instead of SQLite: postgres://user:password@host/name [DATABASE_URL]
#   --broker-url URL      a Redis elsewhere: redis://host:6379/0 [CELERY_BROKER_URL]
#   --worker-only         helper of another machine's album: only describes, needs both URLs [WORKER_ONLY=yes]
#   --offline-bundle FILE install without a network from a file of --make-bundle [OFFLINE_BUNDLE]
#
#   --check               only look whether it could be installed; changes nothing, needs no root
#   --upgrade             bring what is installed to this checkout: backup first, back by itself where it fails
#   --make-bundle FILE    write everything that --offline-bundle needs, for machines like this one
#   --uninstall           remove all but the library
#   --purge               remove the library, too, after asking
set -euo pipefail
shopt -s inherit_errexit
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SOURCE=$(dirname "$(dirname "$(realpath "$0")")")
. "$SOURCE/scripts/setup.sh"
. "$SOURCE/deployment/lib/machine.sh"
. "$SOURCE/deployment/lib/release.sh"
. "$SOURCE/deployment/lib/services.sh"
. "$SOURCE/deployment/lib/removal.sh"

declare -A TAKES=([--app-dir]=APP_DIR [--data-dir]=DATA_DIR [--media-dir]=MEDIA_ROOT [--user]=APP_USER
    [--domain]=DOMAIN [--listen]=LISTEN [--profile]=PROFILE [--admin]=ADMIN_USER [--database-url]=DATABASE_URL
    [--broker-url]=CELERY_BROKER_URL [--offline-bundle]=OFFLINE_BUNDLE [--make-bundle]=MAKE_BUNDLE)
# What a later run knows without being told. Secrets are in .env only.
REMEMBERED=(DATA_DIR APP_USER DOMAIN LISTEN WORKER_ONLY NO_MODEL OWN_USER OWN_REDIS)
ACTION=install

refuse() { printf 'photo-album: %s\nAll options: %s --help\n' "$1" "$0" >&2; exit 2; }

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --yes) YES=yes ;;
            --no-model) NO_MODEL=yes ;;
            --worker-only) WORKER_ONLY=yes ;;
            --check | --upgrade | --uninstall | --purge) ACTION=${1#--} ;;
            -h | --help) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; exit 0 ;;
            *)
                [ -n "${TAKES[$1]:-}" ] || refuse "unknown option $1"
                [ -n "${2:-}" ] || refuse "$1 needs a value"
                printf -v "${TAKES[$1]}" %s "$2"
                [ "$1" != --make-bundle ] || ACTION=bundle
                shift ;;
        esac
        shift
    done
}

# settle_answers : what was not said now is as last time, else as usual.
settle_answers() {
    local name value
    APP_DIR=${APP_DIR:-/var/www/photo_album}
    STATED_PROFILE=${PROFILE:-} PREVIOUS=$APP_DIR.previous
    [[ $APP_DIR =~ ^/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$ ]] || refuse "--app-dir $APP_DIR is no plain absolute path"
    finish_interrupted_swap
    if [ -r "$APP_DIR/.answers" ]; then
        while IFS='=' read -r name value; do
            [ -n "${!name:-}" ] || printf -v "$name" %s "$value"
            [ "${!name}" = "$value" ] || refuse_change "$name" "$value"
        done <"$APP_DIR/.answers"
    fi
    DATA_DIR=${DATA_DIR:-/var/lib/photo-album} APP_USER=${APP_USER:-www-data} PROFILE=${PROFILE:-$(setting AI_PROFILE)}
    PROFILE=${PROFILE:-auto}
    : "${YES:=}" "${DOMAIN:=}" "${NO_MODEL:=}" "${WORKER_ONLY:=}" "${OFFLINE_BUNDLE:=}" "${MAKE_BUNDLE:=}"
    : "${MEDIA_ROOT:=}" "${DATABASE_URL:=}" "${CELERY_BROKER_URL:=}" "${OWN_USER:=}" "${OWN_REDIS:=}"
    : "${ADMIN_USER:=}" "${ADMIN_EMAIL:=}" "${ADMIN_PASSWORD:=}" "${LISTEN:=}"
    export -n ADMIN_PASSWORD
}

# refuse_change NAME VALUE : of what an installed album was made with, options change what may change.
refuse_change() {
    case $1 in
        DATA_DIR) refuse "the library lies in $2: --data-dir cannot move it" ;;
        APP_USER) refuse "the album belongs to $2: --user cannot give it to another" ;;
        WORKER_ONLY) refuse "$APP_DIR is an album itself: --worker-only is for a machine that helps another" ;;
    esac
}

# check_database : another database than the one in use would be an empty one.
check_database() {
    local current; current=$(DATABASE_URL='' setting DATABASE_URL)
    case $current in postgres*) return 0 ;; esac
    [ -z "$DATABASE_URL" ] || [ "$DATABASE_URL" = "$current" ] ||
        { ! was_finished && [ ! -e "$DATA_DIR/photo_album.sqlite3" ]; } ||
        refuse "the album in $DATA_DIR has a database, and --database-url would begin an empty one.
How a library moves to PostgreSQL: deployment/DEPLOYMENT_SYSTEMD.md"
}

check_answers() {
    local dir
    for dir in "$DATA_DIR" ${MEDIA_ROOT:+"$MEDIA_ROOT"}; do
        [[ $dir =~ ^/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$ ]] || refuse "$dir is no plain absolute path"
    done
    check_database
    require_files_elsewhere
    [[ $APP_USER =~ ^[a-z_][a-z0-9_-]*$ && $APP_USER != root ]] || refuse "--user $APP_USER: a plain name, and not root"
    [[ -z $DOMAIN || $DOMAIN =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] ||
        refuse "--domain $DOMAIN: a name such as photos.example.org"
    [[ -z $LISTEN || $LISTEN =~ ^[][0-9A-Za-z.:-]+:[0-9]+$ ]] || refuse "--listen $LISTEN: such as 0.0.0.0:8000"
    case $PROFILE in auto | minimal | raspberry-pi | mid-range | high-end | gpu) ;;
        *) refuse "--profile $PROFILE: there are auto, minimal, raspberry-pi, mid-range, high-end and gpu" ;; esac
    [ -z "$OFFLINE_BUNDLE" ] || [ -r "$OFFLINE_BUNDLE" ] || refuse "--offline-bundle $OFFLINE_BUNDLE cannot be read"
    if [ -n "$WORKER_ONLY" ] && ! is_installed && { [ -z "$DATABASE_URL" ] || [ -z "$CELERY_BROKER_URL" ]; }; then
        refuse "--worker-only needs --database-url and --broker-url of the album that it is to help"
    fi
}

is_installed() { [ -e "$APP_DIR/.answers" ]; }
was_finished() { [ -e "$APP_DIR/.release" ]; }

ask() { # VARIABLE QUESTION
    [ -n "${!1}" ] || [ -n "$YES" ] || read -r -p "$2 " "$1" </dev/tty
}

ask_what_is_unknown() {
    was_finished && return 0
    [ -n "$YES" ] || [ -t 0 ] || fail "there is no terminal to ask: say --yes, and answers as options"
    [ -n "$WORKER_ONLY" ] && return 0
    ask DOMAIN "Name under which a browser finds the album, such as photos.example.org (Enter: this machine's address)?"
    ask ADMIN_USER "Name of the first administrator (Enter: none yet)?"
    [ -z "$ADMIN_USER" ] || [ -n "$ADMIN_PASSWORD" ] || [ -n "$YES" ] ||
        { read -r -s -p "Password of $ADMIN_USER (Enter: one is made up)? " ADMIN_PASSWORD </dev/tty; echo; }
    check_answers
}

remember_answers() {
    local name text=""
    for name in "${REMEMBERED[@]}"; do text+="$name=${!name}"$'\n'; done
    put 0644 root:root "$APP_DIR/.answers" "${text%$'\n'}"
}

make_first_admin() {
    local password
    [ -n "$ADMIN_USER" ] || {
        say "An administrator is made by: cd $APP_DIR && sudo -u $APP_USER venv/bin/python manage.py create_first_admin"
        return 0
    }
    password=$(mktemp -p /run)
    printf %s "$ADMIN_PASSWORD" >"$password"
    chown "$APP_USER" "$password"
    manage create_first_admin --username "$ADMIN_USER" ${ADMIN_EMAIL:+--email "$ADMIN_EMAIL"} \
        ${ADMIN_PASSWORD:+--password-file "$password"} ||
        say "There is no administrator yet. Try again: cd $APP_DIR && sudo -u $APP_USER venv/bin/python manage.py create_first_admin"
    rm "$password"
}

install_weights() {
    [ -z "$NO_MODEL" ] || return 0
    if [ -n "$OFFLINE_BUNDLE" ]; then
        [ ! -e "$UNPACKED/weights.tar" ] || manage import_models "$UNPACKED/weights.tar" ||
            say "The weights of the bundle were not taken; until they are, photos wait to be described."
    else
        manage download_models ||
            say "Weights are missing; photos wait until: cd $APP_DIR && sudo -u $APP_USER venv/bin/python manage.py download_models"
    fi
}

install_album() {
    local is_first="" release
    [ "$ACTION" != upgrade ] || is_installed || fail "nothing is installed in $APP_DIR: leave --upgrade out"
    finish_interrupted_upgrade
    was_finished || is_first=yes
    ask_what_is_unknown
    install_prerequisites
    make_user_and_folders
    unpack_bundle
    release=$(release_id)
    if [ "$release" != "$(cat "$APP_DIR/.release" 2>/dev/null)" ]; then
        build_release "$APP_DIR.new"
        [ ! -e "$APP_DIR/.release" ] || prepare_way_back
        put_release_in_place
        changed+=("$APP_DIR")
    fi
    write_settings
    remember_answers
    [ "${changed[*]}" = "" ] || prepare_data
    tune_machine
    install_units
    install_site
    start_units
    verify
    put 0644 root:root "$APP_DIR/.release" "$release"
    enable_units
    forget_way_back
    if [ -z "$WORKER_ONLY" ] && [ -n "$is_first" ]; then make_first_admin; fi
    [ "${changed[*]}" = "" ] || install_weights
    show_table
}

main() {
    read_arguments "$@"
    settle_answers
    check_answers
    case $ACTION in
        check) check_machine ;;
        bundle) make_bundle ;;
        uninstall | purge)
            require_root
            uninstall ;;
        *)
            require_root
            check_machine
            trap finish EXIT
            trap 'exit 130' INT TERM HUP
            install_album ;;
    esac
}

main "$@"
exit
