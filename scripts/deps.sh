#!/usr/bin/env bash
# Installs the commands that the tests run, and those that are its arguments, on
# Debian and Ubuntu; elsewhere says which are missing and what to install. Says
# nothing if none is. Tests skip what they cannot run, so only under CI=true is
# a missing one an error.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin # where Debian has them, and users' PATH has not

commands=(iptables-legacy iptables-nft nft ip containerd ctr runc node npm chromium "$@")

# missing prints the commands that are not there.
missing() {
	local command
	for command in "${commands[@]}"; do
		command -v "$command" >/dev/null || echo "$command"
	done
	# In nobody's PATH: where Debian, the CNI project and Fedora have them.
	[ -e /usr/lib/cni/bridge ] || [ -e /opt/cni/bin/bridge ] || [ -e /usr/libexec/cni/bridge ] || echo cni-plugins
}

# as_root runs a command as root, if there is a way.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "deps: not root, and there is no sudo" >&2
		return 1
	fi
}

# apt_install installs packages.
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# package prints the Debian and Ubuntu package of a command.
package() {
	case $1 in
	iptables-*) echo iptables ;;
	nft) echo nftables ;;
	ip) echo iproute2 ;;
	containerd | ctr) echo containerd ;;
	runc | npm | chromium) echo "$1" ;;
	node) echo nodejs ;;
	qemu-*-static) echo qemu-user-static ;;
	cni-plugins) echo containernetworking-plugins ;;
	esac
}

absent=$(missing)
[ -n "$absent" ] || exit 0

if command -v apt-get >/dev/null; then
	mapfile -t packages < <(for command in $absent; do package "$command"; done | sort -u)
	echo "deps: installing ${packages[*]}"
	as_root apt-get -qq update || echo "deps: apt-get update failed" >&2
	# One by one if need be: a package that is not to be had (Ubuntu has Chromium as
	# a snap only) keeps no other out.
	if ! apt_install "${packages[@]}"; then
		for package in "${packages[@]}"; do
			apt_install "$package" || echo "deps: apt-get cannot install $package" >&2
		done
	fi
	absent=$(missing)
	[ -n "$absent" ] || exit 0
fi

cat >&2 <<END
deps: missing, so that tests which need them are skipped:
$(for command in $absent; do echo "  $command"; done)
The packages that have them:
  Debian, Ubuntu  iptables nftables iproute2 containernetworking-plugins containerd runc nodejs npm chromium (Ubuntu: the snap)
  Fedora          iptables-nft iptables-legacy nftables iproute containernetworking-plugins containerd nodejs npm chromium
  Alpine          iptables iptables-legacy nftables iproute2 cni-plugins containerd runc nodejs npm chromium
  Arch            iptables nftables iproute2 cni-plugins containerd runc nodejs npm chromium
END
[ "${CI:-}" != true ]
