#!/usr/bin/env bash
# All tests in one command, set-up included: Debian packages, real images, format, clippy, tests.
# Images need ../shared (the recipe and the lists of packages); without it those tests say SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(build-essential xz-utils libxml2-utils strace debootstrap docker.io skopeo docker-registry apache2-utils ca-certificates openssl)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

shared=${SEAWORTHY_SHARED:-$(pwd)/../shared}
export SEAWORTHY_SHARED=$shared
export SEAWORTHY_IMAGES=${SEAWORTHY_IMAGES:-$(pwd)/target/images}
kinds=(debian-plain py java go)
wanted=()
for kind in "${kinds[@]}"; do
  [ -f "$SEAWORTHY_IMAGES/$kind.oci.tar" ] || wanted+=("$kind")
done
if [ ${#wanted[@]} -gt 0 ]; then
  if [ -f "$shared/images/make.sh" ]; then
    echo "making real images: ${wanted[*]}"
    mkdir -p target
    bash "$shared/images/make.sh" "$SEAWORTHY_IMAGES" "${wanted[@]}" >target/images.log 2>&1 \
      || { tail -20 target/images.log; echo "SKIPPED: real images could not be made"; }
  else
    echo "SKIPPED: no ../shared here, so no real images"
  fi
fi

cargo xtask check
