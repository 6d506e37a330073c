#!/usr/bin/env bash
# Installs what the tests need beside Go, where it is missing. Debian and its relatives; elsewhere it says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # FILE-OR-COMMAND PACKAGE
	command -v "$1" >/dev/null || [ -e "$1" ] || missing+=("$2")
}
need gcc gcc # for the race detector
need /usr/include/stdlib.h libc6-dev
need restic restic
need fusermount3 fuse3
need setfattr attr
need setfacl acl
need strace strace
need /usr/sbin/sshd openssh-server
need ssh openssh-client
need rclone rclone
need jq jq # the guides show it
need curl curl
need sqlite3 sqlite3 # tests change the server's database behind its back
need openssl openssl
need unzip unzip # other programs read what is downloaded
need /bin/kill procps
# File systems that are mounted to restore to them; a kernel of its own for those that this one may not have.
need /usr/sbin/mkfs.ext4 e2fsprogs
need /usr/sbin/mkfs.xfs xfsprogs
need /usr/sbin/mkfs.btrfs btrfs-progs
need /usr/sbin/mkfs.vfat dosfstools
need /usr/sbin/mkfs.exfat exfatprogs
need /usr/sbin/mount.exfat-fuse exfat-fuse
need ntfs-3g ntfs-3g
need linux.uml user-mode-linux
need /usr/sbin/smbd samba
need /usr/sbin/mount.cifs cifs-utils
need /usr/sbin/exportfs nfs-kernel-server
need ip iproute2
need /usr/sbin/modprobe kmod
need /usr/sbin/lvcreate lvm2
need /usr/sbin/losetup mount
need /usr/sbin/apache2 apache2 # the tests start servers of their own
need htpasswd apache2-utils
need oathtool oathtool # other programs that make and read the codes of authenticator apps
need zbarimg zbar-tools
need pg_ctlcluster postgresql
need "$(compgen -G '/usr/share/postgresql/*/extension/pg_trgm.control' | tail -n 1)" postgresql-contrib
need chromium chromium # a real browser makes passkeys and looks at the pages
need /usr/bin/python3 python3 # the guides show it
need /usr/sbin/rsyslogd rsyslog
need "$(compgen -G "/usr/lib/*/rsyslog/lmnsd_gtls.so" | tail -n 1)" rsyslog-gnutls
need "$(compgen -G "/usr/lib/*/rsyslog/lmnsd_ossl.so" | tail -n 1)" rsyslog-openssl
need /usr/lib/python3/dist-packages/aiosmtpd python3-aiosmtpd # a mail server
need node nodejs
need npm npm

fetch_axe() { # the checker of the pages' accessibility: one version, which is what it was when it was taken, or nothing
	local version=4.14.1 sum=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
	local to=bin/axe-core file=axe-core-$version.tgz
	[ "$(cat $to/version 2>/dev/null)" != $version ] || return 0
	echo "fetching axe-core $version"
	mkdir -p $to
	(cd $to && npm pack --silent axe-core@$version >/dev/null && echo "$sum  $file" | sha512sum --check --quiet &&
		tar -xzf $file --strip-components 1 package/axe.min.js package/LICENSE && rm $file && echo $version >version) && return
	rm -rf $to
	echo "axe-core can't be fetched" >&2
	return 1
}

if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	missing=()
fi
[ ${#missing[@]} = 0 ] || echo "missing: ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
fetch_axe || missing+=(axe-core)
[ ${#missing[@]} = 0 ] || [ "${CI:-}" != true ] # elsewhere the tests that need them are skipped, and say so
