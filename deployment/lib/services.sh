# Sourced by deployment/setup_celery_systemd.sh: units, web server, and whether all of it runs.
# shellcheck shell=bash

SYSTEM=/etc/systemd/system
SITE=/etc/nginx/sites-enabled/photo-album.conf

unit_names() {
    [ -n "$WORKER_ONLY" ] || printf '%s\n' photo-album-web.service photo-album-celery-beat.service
    echo photo-album-celery-worker.service
}

fill() { # FILE
    sed -e "s|@APP_DIR@|$APP_DIR|g; s|@DATA_DIR@|$DATA_DIR|g; s|@USER@|$APP_USER|g; s|@GROUP@|$APP_GROUP|g" \
        -e "s|@DOMAIN@|${DOMAIN:-localhost}|g; s|@MEDIA_ROOT@|$(media_root)|g" "$1"
}

media_root() {
    local dir; dir=$(folder_setting MEDIA_ROOT)
    printf %s "${dir:-$DATA_DIR/media}"
}

# install_units : the units of this release with the limits of this machine, and none of another release.
install_units() {
    local file name text
    while IFS= read -r name; do
        text=$(fill "$APP_DIR/deployment/systemd/$name")
        put 0644 root:root "$SYSTEM/$name" "$text"
    done < <(cd "$APP_DIR/deployment/systemd" && find . -type f -name '*.conf' -printf '%P\n' -o -type f -name 'photo-album*' -printf '%P\n')
    for name in $(unit_names); do
        text=$(manage show_profile --systemd "$name")
        put 0644 root:root "$SYSTEM/$name.d/50-profile.conf" "$text"
    done
    listen_where_asked
    write_where_asked
    for file in "$SYSTEM"/photo-album*.service "$SYSTEM"/photo-album*.target; do
        [ -e "$APP_DIR/deployment/systemd/${file##*/}" ] || drop "$file"
    done
    for file in "$APP_DIR"/deployment/logrotate/*; do
        [ -e "$file" ] || continue
        text=$(fill "$file")
        put 0644 root:root "/etc/logrotate.d/${file##*/}" "$text"
    done
}

# listen_where_asked : without nginx in front the album answers the network itself.
listen_where_asked() {
    local file=$SYSTEM/photo-album-web.service.d/60-address.conf
    [ -n "$LISTEN" ] || [ -n "$DOMAIN" ] || LISTEN=0.0.0.0:8000
    if [ -n "$LISTEN" ] && [ -z "$WORKER_ONLY" ]; then
        put 0644 root:root "$file" "[Service]"$'\n'"Environment=GUNICORN_CMD_ARGS=--bind=$LISTEN"
    else
        drop "$file"
    fi
}

# write_where_asked : folders that .env names elsewhere. Without a disk for backups the album runs, without its originals not.
write_where_asked() {
    local media backups models file=$SYSTEM/photo-album-.service.d/60-media.conf
    media=$(folder_setting MEDIA_ROOT) backups=$(folder_setting BACKUP_DIR) models=$(folder_setting MODELS_CACHE_DIR)
    if [ -n "$media" ]; then
        put 0644 root:root "$file" "[Unit]
RequiresMountsFor=$media
[Service]
ReadWritePaths=$media"
    else
        drop "$file"
    fi
    file=$SYSTEM/photo-album-celery-worker.service.d/60-folders.conf
    if [ -n "$backups$models" ]; then
        put 0644 root:root "$file" "[Service]
ReadWritePaths=${backups:+-$backups} ${models:+-$models}"
    else
        drop "$file"
    fi
}

# install_site : nginx in front. A site that is there stays: certbot and people write into it.
install_site() {
    [ -n "$DOMAIN" ] && [ -z "$WORKER_ONLY" ] || return 0
    local text upstream media
    if [ -e "$SITE" ]; then
        grep -qF "$DOMAIN" "$SITE" || say "$SITE stays as it is: name $DOMAIN in it, then systemctl reload nginx"
        return 0
    fi
    upstream=$(address) media=$(media_root)
    text=$(fill "$APP_DIR/deployment/nginx/photo-album.conf" | sed "s|photos\.example\.org|$DOMAIN|g
        s|/var/lib/photo-album/media/|$media/|g; s|server 127\.0\.0\.1:8000|server ${upstream#http://}|")
    put 0644 root:root "$SITE" "$text"
    id -nG www-data | grep -qw "$APP_GROUP" || usermod --append --groups "$APP_GROUP" www-data
    nginx -t -q || { drop "$SITE"; fail "nginx does not take the site of $DOMAIN; its words are above"; }
    systemctl enable --quiet nginx
    systemctl restart nginx
}

stop_units() { unit_names | xargs systemctl stop photo-album.target || true; }

# check_broker : whether Redis answers; without it a worker waits for as long as it takes.
check_broker() {
    (cd "$APP_DIR" && DJANGO_SETTINGS_MODULE=photo_album.settings as_user venv/bin/python -c '
import redis, sys
from django.conf import settings
try:
    if settings.CELERY_BROKER_URL.startswith("redis"):
        redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=5, socket_timeout=5).ping()
except (OSError, redis.RedisError) as error:
    sys.exit(f"{error}")') || fail "Redis does not answer. Is it running (systemctl status redis-server), is CELERY_BROKER_URL right?"
}

# start_units : all of them anew when anything changed, since a mixture of releases is not supported.
start_units() {
    local units how=start
    mapfile -t units < <(unit_names)
    [ "${changed[*]}" = "" ] || { how=restart; systemctl daemon-reload; }
    check_broker
    was_started=yes # from now on people may write
    { timeout 300 systemctl "$how" "${units[@]}" && systemctl start photo-album.target; } || fail "a unit did not start: $(failing_units). Its words: journalctl -u UNIT -n 50"
}

enable_units() { unit_names | xargs systemctl enable --quiet photo-album.target; }

failing_units() {
    local name
    for name in $(unit_names); do systemctl is-active --quiet "$name" || printf '%s ' "$name"; done
}

address() { # where this machine reaches the album
    local where=${LISTEN:-127.0.0.1:8000}
    printf %s "http://${where/#0.0.0.0:/127.0.0.1:}"
}

# verify : the web answers, the worker of this machine answers a ping, the scheduler lives.
verify() {
    local failing; failing=$(failing_units)
    [ -z "$failing" ] || fail "not running: $failing. Its words: journalctl -u UNIT -n 50"
    (cd "$APP_DIR" && as_user venv/bin/celery -A photo_album --quiet inspect ping --timeout 10 --destination "celery@$(hostname)" >/dev/null) ||
        fail "the worker does not answer. Its words: journalctl -u photo-album-celery-worker -n 50"
    [ -z "$WORKER_ONLY" ] || return 0
    "$APP_DIR/venv/bin/python" - "$(address)/healthz" <<'END' ||
import sys, time, urllib.request
for attempt in range(20):
    try:
        sys.exit(urllib.request.urlopen(sys.argv[1], timeout=10).status != 200)
    except OSError as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr) if attempt == 19 else time.sleep(1)
sys.exit(1)
END
        fail "the web server is not well. Its words: journalctl -u photo-album-web -n 50"
}

show_table() {
    local name
    printf '\n%-40s %-9s %9s  %s\n' Unit State Memory Status
    for name in photo-album.target $(unit_names); do
        printf '%-40s %-9s %9s  %s\n' "$name" "$(show "$name" ActiveState)" \
            "$(show "$name" MemoryCurrent | awk '/^[0-9]+$/ { printf "%d MB", $1 / 1e6 }')" "$(show "$name" StatusText)"
    done
    echo
    [ -n "$WORKER_ONLY" ] || manage check_ai_status || true
    [ -z "$WORKER_ONLY" ] || return 0
    case $DOMAIN:$LISTEN in
        :0.0.0.0:*) say "Photo Album is at http://$(hostname).local:${LISTEN##*:} for your network, $(address) for this machine" ;;
        *) say "Photo Album is at ${DOMAIN:+http://$DOMAIN and }$(address)" ;;
    esac
}

show() { systemctl show --property "$2" --value "$1"; }
