#!/bin/bash
# A streaming replica: a copy of the primary at the first start, then whatever it was.
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  pg_basebackup --host postgres --pgdata "$data" --wal-method stream --write-recovery-conf
  chmod 0700 "$data"
fi
exec postgres -D "$data" -c hot_standby=on -c max_connections=300
