#!/bin/sh
# Install the Debian packages that the tests use, or name those that are missing.
set -eu
wanted="
    acl apache2-utils attr bind9-dnsutils binutils binutils-aarch64-linux-gnu
    binutils-powerpc64le-linux-gnu binutils-riscv64-linux-gnu binutils-s390x-linux-gnu bubblewrap
    buildah busybox-static cron crun curl
    docker-registry fish fuse-overlayfs git gpg gpg-agent groff-base iperf3 iproute2 iputils-ping
    libcap2-bin libseccomp2 mmdebstrap ncat passt podman python3-venv qemu-user runc skopeo slirp4netns
    strace tmux uidmap umoci xz-utils zsh zstd
"

command -v dpkg-query >/dev/null || { echo "not Debian: tests skip by name what is missing"; exit 0; }
# docker's client alone, from Debian 13 on; before, it comes with a daemon, which is not wanted here.
if apt-cache show docker-cli >/dev/null 2>&1; then wanted="$wanted docker-cli"; fi
missing=""
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then root=""
elif sudo -n true 2>/dev/null; then root="sudo -n"
else
    echo "tests will skip by name what needs these: apt-get install$missing"
    exit 0
fi

# docker-registry brings a service; ours are started by the tests. invoke-rc.d asks this script.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$root apt-get install -qq -y --no-install-recommends $missing >/dev/null
