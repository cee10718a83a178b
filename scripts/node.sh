#!/bin/sh
# Runs a script of this project under Node >= 24 with every dependency installed: `sh scripts/node.sh scripts/test.ts`.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
DEPENDENCIES=dev
. "$ROOT/scripts/ensure.sh"
cd "$ROOT"
exec "$NODE" --disable-warning=ExperimentalWarning "$@"
