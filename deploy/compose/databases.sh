#!/bin/bash
# The first start of the primary: four databases, and replication for the replica.
set -eu
for service in user event delivery analytics; do
  createdb -U "$POSTGRES_USER" "${service}_service"
done
# Where a pooler stands between, what a session would set has to be set on the role.
psql -U "$POSTGRES_USER" -d postgres -c "ALTER ROLE $POSTGRES_USER SET jit = off"
echo "host replication all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
