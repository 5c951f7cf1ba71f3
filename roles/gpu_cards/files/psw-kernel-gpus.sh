#!/bin/sh
# Written by psw. Changes made here are lost.
# psw-kernel-gpus "MODULE ..." ADDRESS ...: has these modules loaded, and the cards at these addresses in their hands, with their device nodes.
set -eu

modules=$1
shift

# The kernel makes a device node once. One that was removed since is made again, as udev would have it.
remake() {
    echo "psw: $1 was removed, and is made again"
    # shellcheck disable=SC2046 # two numbers
    mknod -m 0660 "$1" c $(tr : ' ' <"$2")
    chgrp render "$1"
}

for card in "$@"; do
    # What takes a card away, for a VM for instance, may leave it without a driver. A driver that is not loaded yet takes it when it is.
    [ -e "/sys/bus/pci/devices/$card/driver" ] || echo "$card" >/sys/bus/pci/drivers_probe || :
done
# By their names: also where modprobe.d keeps them from being loaded by themselves.
# shellcheck disable=SC2086 # several words
modprobe -a $modules

for card in "$@"; do
    link=/dev/dri/by-path/pci-$card-render
    [ -c "$link" ] || echo "psw: waiting for the driver to take the card $card; if it does not, see: journalctl -k -b"
    until [ -c "$link" ]; do
        node=$(readlink -f "$link" || :) # udev makes the link once the node is there
        if [ -L "$link" ] && [ -e "/sys/class/drm/${node##*/}/dev" ]; then
            remake "$node" "/sys/class/drm/${node##*/}/dev"
        else
            sleep 0.2
        fi
    done
done
kfd=/sys/class/kfd/kfd/dev # of AMD's driver alone
[ -c /dev/kfd ] || [ ! -e $kfd ] || remake /dev/kfd $kfd
