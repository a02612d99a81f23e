#!/usr/bin/env bash
# All tests in one command, set-up included: Debian packages, real images, format, clippy, tests.
# Images need ../shared (the recipe and the lists of packages); without it those tests say SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/.."

shared=${SEAWORTHY_SHARED:-$(pwd)/../shared}
recipe=$shared/images/make.sh
packages=(build-essential xz-utils libxml2-utils strace debootstrap ca-certificates openssl curl
  docker.io containerd runc podman busybox-static skopeo docker-registry apache2-utils
  e2fsprogs xfsprogs qemu-utils squashfs-tools dosfstools fdisk python3-venv)
missing=()
command -v go >/dev/null || packages+=(golang)
# What the recipe of the real images needs besides; other versions on PATH will do.
if [ -f "$recipe" ]; then
  command -v pip >/dev/null || packages+=(python3-pip)
  command -v mvn >/dev/null || packages+=(maven)
  command -v jar >/dev/null || packages+=(default-jdk-headless)
  # Debian 12's own Go is too old for some of the programs: that image is then SKIPPED.
fi
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Real servers that are no Debian packages: an emulator of S3, and a registry that knows referrers (Go as new
# as its go.mod says, and modules from the network).
servers=$(pwd)/target/servers
mkdir -p "$servers"
if [ ! -x "$servers/moto/bin/moto_server" ]; then
  { python3 -m venv "$servers/moto" && "$servers/moto/bin/pip" install -q 'moto[server]==5.2.5'; } \
    >"$servers/moto.log" 2>&1 || { tail -3 "$servers/moto.log"; echo "SKIPPED: moto could not be installed"; }
fi
go build -C tools/registry -trimpath -o "$servers/refreg" . >"$servers/refreg.log" 2>&1 \
  || { tail -3 "$servers/refreg.log"; echo "SKIPPED: the registry with referrers could not be built"; }
[ -x "$servers/moto/bin/moto_server" ] && export SEAWORTHY_MOTO=$servers/moto/bin/moto_server
[ -x "$servers/refreg" ] && export SEAWORTHY_REFERRERS_REGISTRY=$servers/refreg

export SEAWORTHY_SHARED=$shared
export SEAWORTHY_IMAGES=${SEAWORTHY_IMAGES:-$(pwd)/target/images}
kinds=(debian-plain py java go)
ended() { # the recipe's dockerd, which goes on for a moment
  for _ in $(seq 100); do [ -e "$SEAWORTHY_IMAGES/.work/d.pid" ] || return 0; sleep 0.1; done
}
for kind in "${kinds[@]}"; do
  [ -f "$SEAWORTHY_IMAGES/$kind.oci.tar" ] && continue
  if [ ! -f "$recipe" ]; then
    echo "SKIPPED: no ../shared here, so no real image $kind"
    continue
  fi
  echo "making the real image $kind"
  mkdir -p target
  bash "$recipe" "$SEAWORTHY_IMAGES" "$kind" >"target/image-$kind.log" 2>&1 \
    || { tail -5 "target/image-$kind.log"; echo "SKIPPED: the real image $kind could not be made"; }
  ended
done

# The release, built twice in different folders: the same bytes, or this fails.
cargo xtask release --check --into target/dist
export SEAWORTHY_DIST=$(pwd)/target/dist

cargo xtask check
