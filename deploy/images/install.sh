#!/bin/sh
# Install one service, the console or the command line, into ./venv, with what it needs and nothing else, hash-checked:
#   install.sh user-service   or   install.sh cli
# The working directory holds libs/, services/ and requirements/ as the Dockerfile copies them, and is where they stay:
# the packages are installed as links to it, so that the migrations are where the code looks for them.
set -eu
service=$1
case $service in
  cli) packages="libs/contracts libs/client libs/cli" ;;
  *) packages="libs/contracts libs/chassis services/$service" ;;
esac
# Services that call others stand on the client; the Dockerfile copies it for all.
if grep -q '"almanac-client"' "services/$service/pyproject.toml" 2>/dev/null; then
  packages="$packages libs/client"
elif [ "$service" != cli ]; then
  rm -rf libs/client
fi
python3 -m venv build
build/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r requirements/bootstrap.txt
build/bin/uv venv --quiet --python "$(command -v python3)" venv
export VIRTUAL_ENV="$PWD/venv" UV_LINK_MODE=copy
build/bin/uv pip sync --quiet --require-hashes --compile-bytecode "requirements/$service.txt"
for package in $packages; do
  (cd "$package" && "$VIRTUAL_ENV/../build/bin/python" -m hatchling build -t wheel:editable -d "$VIRTUAL_ENV/../build/wheels")
done
build/bin/uv pip install --quiet --offline --no-deps build/wheels/*.whl
venv/bin/python -m compileall -q $packages
rm -rf build
