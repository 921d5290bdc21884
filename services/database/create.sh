#!/bin/bash
# Run once by the database's image, while its volume is empty: a database for each service, and a role that can use no
# other.
set -euo pipefail
for service in ingestion training registry; do
  export service
  psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set service="$service" <<'SQL'
\set password `cat "/run/secrets/$service-database-password"`
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service"
    TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'; -- the same order whatever the image's locale
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
