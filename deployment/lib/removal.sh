# Sourced by deployment/setup_celery_systemd.sh: what --uninstall and --purge take away.
# shellcheck shell=bash

uninstall() {
    require_ours
    [ "$ACTION" != purge ] || confirm_purge
    say "Removing the album"
    remove_units
    remove_settings_of_machine
    if [ "$ACTION" = purge ]; then
        # What is mounted below lies on another disk, or belongs to another machine.
        find "$DATA_DIR" -xdev -mindepth 1 -delete 2>/dev/null || true
        rmdir "$DATA_DIR" 2>/dev/null || say "$DATA_DIR stays: it is a disk of its own, or what is left has one: $(ls -A "$DATA_DIR")"
        case $(setting DATABASE_URL) in postgres*) say "The database in PostgreSQL stays: dropdb removes it." ;; esac
        [ -z "$(setting MEDIA_ROOT)" ] || say "The originals in $(setting MEDIA_ROOT) stay: they lie outside of $DATA_DIR."
    elif [ -d "$DATA_DIR" ]; then
        rm -rf "$DATA_DIR/static"
        if [ -e "$APP_DIR/.env" ]; then
            install -T -m 0600 "$APP_DIR/.env" "$DATA_DIR/settings.env"
            [ -z "$OWN_REDIS" ] || echo "# OWN_REDIS" >>"$DATA_DIR/settings.env" # for the next installation
        fi
        say "The library stays in $DATA_DIR, with the settings that belong to it."
    fi
    rmdir --ignore-fail-on-non-empty /var/lib/photo-album 2>/dev/null || true
    if [ -n "$OWN_USER" ]; then
        userdel "$APP_USER" 2>/dev/null || true # says that the group stays while nginx is in it
        ! getent group "$APP_USER" >/dev/null || groupdel "$APP_USER" || true
    fi
    rm -rf "$APP_DIR" "$APP_DIR.new" "$PREVIOUS"
    rmdir --ignore-fail-on-non-empty "${APP_DIR%/*}" 2>/dev/null || true
    say "Debian packages stay (python3, redis-server, gettext, nginx, logrotate): other programs may use them."
}

confirm_purge() {
    local reply=""
    is_library_or_free || fail "$DATA_DIR holds other things than an album; nothing was removed"
    [ -z "$YES" ] || return 0
    [ -t 0 ] || fail "there is no terminal to ask whether $DATA_DIR may go, with every photo in it: say --yes, too"
    read -r -p "This removes every photo in $DATA_DIR for good. Type 'remove' to go on: " reply
    [ "$reply" = remove ] || fail "nothing was removed"
}

remove_units() {
    local file
    systemctl disable --quiet --now photo-album.target 2>/dev/null || true
    for file in "$SYSTEM"/photo-album*.service; do
        [ ! -e "$file" ] || systemctl disable --quiet --now "${file##*/}" || true
    done
    rm -rf "$SYSTEM"/photo-album*
    systemctl daemon-reload
    systemctl reset-failed 'photo-album*' 2>/dev/null || true
}

remove_settings_of_machine() {
    drop "$SYSTEM/redis-server.service.d/50-photo-album.conf"
    drop /etc/systemd/journald.conf.d/50-photo-album.conf
    rm -f /etc/logrotate.d/photo-album*
    systemctl daemon-reload
    systemctl restart systemd-journald
    [ -z "$OWN_REDIS" ] || systemctl try-restart redis-server
    if [ -e "$SITE" ]; then
        rm "$SITE"
        systemctl try-reload-or-restart nginx || true
    fi
    rm -rf /var/log/celery/worker.log* /var/log/celery/beat.log* /run/photo-album /run/lock/photo-album-setup
    [ ! -d /var/log/celery ] || rmdir --ignore-fail-on-non-empty /var/log/celery
}
