#!/bin/sh
# Change an image's files from the inside: install packages, then run the recipe's last script, which comes on standard input.
# Runs in a mount namespace of its own: assemble.sh LOWER UPPER WORK MERGED [PACKAGE...]
set -eu
lower=$1 upper=$2 work=$3 root=$4
shift 4

mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
for place in proc dev; do mount --rbind "/$place" "$root/$place"; done
for file in etc/resolv.conf etc/ssl/certs/ca-certificates.crt; do
    if [ -e "/$file" ] && [ -e "$root/$file" ]; then mount --bind "/$file" "$root/$file"; fi
done

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# A package must not start its service in here.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
if [ $# -gt 0 ]; then chroot "$root" apt-get install -qq -y --no-install-recommends "$@"; fi
chroot "$root" sh -eu
rm "$root/usr/sbin/policy-rc.d"
