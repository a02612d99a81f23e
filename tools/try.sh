#!/usr/bin/env bash
# The main job in one command: builds the program and scans an image to a verdict.
#   tools/try.sh [IMAGE.tar | FOLDER | SBOM]
# Without an argument a real Debian image is made on the spot. Needs Debian (or a derivative), Rust and,
# for packages that are missing, root. Feeds in ../shared/advisories are used when they are there;
# otherwise the starter set that is built into the program speaks.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  missing+=("$2")
}
missing=()
need cc build-essential
[ $# -gt 0 ] || need debootstrap debootstrap
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

cargo build --release --package seaworthy-cli
seaworthy=target/release/seaworthy

make_image() { # OUT: a docker archive of one layer, as `docker save` writes it
  local work layer config
  work=$(mktemp -d target/try.XXXXXX)
  echo "making a Debian image (about a minute)"
  debootstrap --variant=minbase bookworm "$work/rootfs" >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 1; }
  mkdir "$work/image"
  tar -C "$work/rootfs" --numeric-owner -c . >"$work/image/layer.tar"
  layer=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
  mkdir "$work/image/$layer" && mv "$work/image/layer.tar" "$work/image/$layer/layer.tar"
  printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/bash"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"debootstrap --variant=minbase bookworm"}]}' \
    "$layer" >"$work/config.json"
  config=$(sha256sum "$work/config.json" | cut -d' ' -f1)
  mv "$work/config.json" "$work/image/$config.json"
  printf '[{"Config":"%s.json","RepoTags":["seaworthy/try:latest"],"Layers":["%s/layer.tar"]}]' "$config" "$layer" >"$work/image/manifest.json"
  tar -C "$work/image" -cf "$1" .
  rm -rf "$work"
}

target=${1:-target/try.tar}
if [ $# -eq 0 ] && [ ! -f "$target" ]; then make_image "$target"; fi

database=target/try-db
if [ -d ../shared/advisories ] && [ ! -f "$database/index.json" ]; then
  "$seaworthy" --db "$database" db update --from ../shared/advisories --manifest docs/snapshot-manifest.json
fi

code=0
"$seaworthy" --db "$database" scan "$target" -o html=target/try.html || code=$?
echo
case $code in
  0) echo "exit code 0: it may sail" ;;
  1) echo "exit code 1: it may not sail" ;;
  3) echo "exit code 3: nothing over the threshold, but not everything was seen" ;;
  *) exit "$code" ;;
esac
echo "The same as a page to pass on: target/try.html"
