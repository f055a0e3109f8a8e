#!/bin/sh
# What the official image does of it: at the first start a cluster in UTF-8 with one superuser and one database, whose
# password comes from the environment. As root it hands the data folder to `postgres` first, which needs CHOWN,
# DAC_OVERRIDE, FOWNER, SETUID and SETGID; as `postgres` it needs nothing.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown -R postgres: "$PGDATA" /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    umask 077
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres > /dev/null
    fi
fi
exec "$@"
