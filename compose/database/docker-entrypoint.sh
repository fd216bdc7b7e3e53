#!/bin/bash
# Prepares an empty data directory the way the official MySQL image does, then becomes mysqld.
#
# Initialising takes several steps and can be interrupted at any of them. A hidden file, which
# mysqld ignores, is put into the empty directory first and taken away last. Where it is found
# again, everything beside it is the rest of an interrupted attempt, so it is safe to start over.
set -euo pipefail

log() { echo "$(date --utc +%FT%TZ) [entrypoint] $*" >&2; }
fail() { log "ERROR: $*"; exit 1; }

# Sets the variable $1 from itself, from the file that $1_FILE names, or to $2.
from_env() {
    local name=$1 file=${1}_FILE
    [[ -z ${!name:-} || -z ${!file:-} ]] || fail "both $name and $file are set (they exclude each other)"
    local value=${!name:-${2:-}}
    [[ -z ${!file:-} ]] || value=$(< "${!file}")
    printf -v "$name" %s "$value"
    unset "$file"
}

# A string as an SQL literal.
quoted() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}

client() { mysql --no-defaults --socket="$socket" --user=root --password="$password" "$@" 2> >(grep -v 'can be insecure' >&2); }
client_in_database() { client ${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"} --comments; }

initialise() {
    from_env MYSQL_ROOT_PASSWORD
    from_env MYSQL_ROOT_HOST %
    from_env MYSQL_DATABASE
    from_env MYSQL_USER
    from_env MYSQL_PASSWORD
    if [[ -n ${MYSQL_RANDOM_ROOT_PASSWORD:-} ]]; then
        MYSQL_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
        log "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
    elif [[ -z $MYSQL_ROOT_PASSWORD && -z ${MYSQL_ALLOW_EMPTY_PASSWORD:-} ]]; then
        fail "set one of MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD and MYSQL_RANDOM_ROOT_PASSWORD"
    fi
    [[ $MYSQL_USER != root ]] || fail "MYSQL_USER=root: that account is always there, set MYSQL_ROOT_PASSWORD"
    [[ -z $MYSQL_USER || -n $MYSQL_PASSWORD ]] || fail "MYSQL_USER is set but MYSQL_PASSWORD is not"

    # Docker waits for nobody but process 1: without this, stopping would take the full grace period.
    trap 'exit 143' TERM INT
    : > "$unfinished"
    log "Initialising $datadir"
    "$@" --initialize-insecure --default-time-zone=SYSTEM

    log "Starting a server without network to fill it"
    "$@" --skip-networking --mysqlx=OFF --default-time-zone=SYSTEM --socket="$socket" &
    local server=$! password=
    until client --execute='DO 1' 2> /dev/null; do
        kill -0 "$server" 2> /dev/null || fail "the server died, see above"
        sleep 0.1
    done

    create_accounts
    password=$MYSQL_ROOT_PASSWORD
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        run_script "$script"
    done

    client --execute=SHUTDOWN
    wait "$server"
    rm "$unfinished"
    trap - TERM INT
    log "Ready for start up"
}

create_accounts() {
    {
        echo "SET @@SESSION.sql_log_bin = 0;"
        if [[ -z ${MYSQL_INITDB_SKIP_TZINFO:-} ]]; then
            echo "USE mysql;"
            mysql_tzinfo_to_sql /usr/share/zoneinfo 2> /dev/null
        fi
        if [[ -n $MYSQL_ROOT_HOST && $MYSQL_ROOT_HOST != localhost ]]; then
            local root="'root'@$(quoted "$MYSQL_ROOT_HOST")"
            echo "CREATE USER $root IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
            echo "GRANT ALL ON *.* TO $root WITH GRANT OPTION;"
        fi
        if [[ -n $MYSQL_DATABASE ]]; then
            echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"
        fi
        if [[ -n $MYSQL_USER ]]; then
            echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$MYSQL_PASSWORD");"
            [[ -z $MYSQL_DATABASE ]] \
                || echo "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $(quoted "$MYSQL_USER")@'%';"
        fi
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
    } | client
}

run_script() {
    case $1 in
        *.sh)
            log "Running $1"
            if [[ -x $1 ]]; then "$1"; else . "$1"; fi ;;
        *.sql) log "Loading $1"; client_in_database < "$1" ;;
        *.sql.gz) log "Loading $1"; gzip --decompress --stdout "$1" | client_in_database ;;
        *.sql.xz) log "Loading $1"; xz --decompress --stdout "$1" | client_in_database ;;
        *.sql.zst) log "Loading $1"; zstd --decompress --stdout --quiet "$1" | client_in_database ;;
        *) log "Ignoring $1" ;;
    esac
}

main() {
    # Options alone are options of the server; help and version need no data.
    [[ ${1:-} != -* ]] || set -- mysqld "$@"
    local datadir=/var/lib/mysql socket=/var/run/mysqld/mysqld.sock argument
    for argument; do
        case $argument in
            -'?' | --help | --print-defaults | -V | --version) exec "$@" ;;
            --datadir=*) datadir=${argument#*=} ;;
        esac
    done
    [[ ${1:-} == mysqld ]] || exec "$@"

    local unfinished=$datadir/.initialising
    if [[ ! -d $datadir/mysql && ! -e $unfinished ]]; then
        local foreign
        foreign=$(find "$datadir" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit 2> /dev/null || true)
        [[ -z $foreign ]] || fail "$datadir is neither empty nor a MySQL server's: it holds $foreign"
    fi

    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$datadir"
        [[ $(stat -c %U "$datadir") == mysql ]] || chown -R mysql: "$datadir"
        exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
    fi

    if [[ -e $unfinished ]]; then
        log "Removing an initialisation that was interrupted"
        find "$datadir" -mindepth 1 ! -path "$unfinished" ! -name lost+found -delete
        rm "$unfinished"
    fi
    [[ -d $datadir/mysql ]] || initialise "$@"

    # The server and its tools read some of these names too, and none of them is needed any more.
    unset "${!MYSQL_@}"
    exec "$@"
}

shopt -s nullglob
main "$@"
