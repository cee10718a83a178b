# Sourced by the launcher and the npm scripts. Makes sure of Node >= 24 and of the dependencies, and sets:
#   NODE   the node binary to run with
#   MAIN   the file of the command line, where BUNDLE is `yes`
# Expects ROOT (the checkout) and DEPENDENCIES (`prod` or `dev`).

say() { printf '%s\n' "$*" >&2; }

node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

find_node() {
  local_node="$ROOT/.k8ts/node/node_modules/node-$1-$2/bin/node"
  if [ -x "$local_node" ]; then NODE="$local_node"; return 0; fi
  if command -v node >/dev/null 2>&1 && [ "$(node_major node)" -ge 24 ]; then NODE=$(command -v node); return 0; fi
  return 1
}

ensure_node() {
  case "$(uname -s)" in Linux) platform=linux ;; Darwin) platform=darwin ;; *) platform=unknown ;; esac
  case "$(uname -m)" in x86_64 | amd64) arch=x64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=unknown ;; esac
  find_node "$platform" "$arch" && return 0
  if ! command -v npm >/dev/null 2>&1; then
    say "k8ts needs Node.js 24 or newer, or npm to fetch it: install Node.js and try again."
    exit 1
  fi
  say "Installing Node.js 24 from npm into $ROOT/.k8ts/node (k8ts runs TypeScript directly, which needs it) ..."
  mkdir -p "$ROOT/.k8ts/node"
  if ! npm install --prefix "$ROOT/.k8ts/node" --no-save --no-audit --no-fund --loglevel=error "node-$platform-$arch@24" >&2 || ! find_node "$platform" "$arch"; then
    say "Node.js 24 could not be installed from npm for $platform-$arch: install it yourself and try again."
    exit 1
  fi
}

# Whether what is installed fits the lock file: npm's own record is newer, and nothing that is needed is left out.
dependencies_installed() {
  [ "$ROOT/node_modules/.package-lock.json" -nt "$ROOT/package-lock.json" ] || return 1
  [ "$DEPENDENCIES" = prod ] || [ -d "$ROOT/node_modules/typescript" ]
}

ensure_dependencies() {
  dependencies_installed && return 0
  if [ "$DEPENDENCIES" = prod ]; then omit="--omit=dev"; else omit=""; fi
  say "Installing k8ts's own dependencies from npm ..."
  if ! (cd "$ROOT" && PATH="$(dirname "$NODE"):$PATH" npm ci $omit --no-audit --no-fund --loglevel=error >&2); then
    say "npm could not install the dependencies: see its message above, then try again."
    exit 1
  fi
  touch "$ROOT/node_modules/.package-lock.json"
}

# The sources joined into few files, made anew when any of them has changed. The sources themselves are run for whoever debugs them,
# and where there is no bundle and none can be made (somebody else's checkout).
ensure_bundle() {
  MAIN="$ROOT/src/cli/main.ts"
  [ "${K8TS_DEBUG:-}" != 1 ] || return 0
  bundles="$ROOT/.k8ts/bundle"
  if [ ! -f "$bundles/current" ] || [ -n "$(find "$ROOT/src" "$ROOT/scripts/bundle.ts" "$ROOT/package-lock.json" -cnewer "$bundles/current" -print -quit)" ]; then
    mkdir -p "$bundles" 2>/dev/null && [ -w "$bundles" ] || return 0
    if ! "$NODE" --disable-warning=ExperimentalWarning "$ROOT/scripts/bundle.ts" "$bundles" >&2; then
      say "The sources could not be joined: see the message above. Running them as they are."
      return 0
    fi
  fi
  read -r bundle < "$bundles/current"
  MAIN="$bundles/$bundle/main.js"
  code_cache="$bundles/$bundle/code-$(id -u)"
}

code_cache="$ROOT/.k8ts/compile-cache-$(id -u)"
ensure_node
ensure_dependencies
[ "${BUNDLE:-}" != yes ] || ensure_bundle
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$code_cache}"
