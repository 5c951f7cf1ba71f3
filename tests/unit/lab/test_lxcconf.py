"""From Proxmox VE's container config to LXC's."""

import pytest

from lab.pve.lxcconf import networkd_file, render

CONFIG = {
    "hostname": "psw-ai",
    "features": "nesting=1",
    "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:72:23:7E,ip=dhcp,type=veth",
    "dev0": "/dev/nvidia0,mode=0666",
    "mp0": "/tank/models,mp=/srv/models,ro=1",
    "mp1": "local-zfs:subvol-101-disk-1,mp=/data,size=8G",
}


def lines(**changes):
    return render(101, {**CONFIG, **changes}, [("lxc.cap.drop", "mac_admin")], "1400").splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "lxc.include = /usr/share/lxc/config/nesting.conf",
        "lxc.idmap = u 0 100000 65536",
        "lxc.uts.name = psw-ai",
        "lxc.mount.entry = /tank/models srv/models none rbind,create=dir,ro 0 0",
        "lxc.mount.entry = /var/lib/lxc/.volumes/subvol-101-disk-1 data none bind,create=dir 0 0",
        "lxc.mount.entry = /var/lib/lxc/101/passthrough/dev/nvidia0 dev/nvidia0 none bind,create=file 0 0",
        "lxc.net.0.veth.pair = veth101i0",
        "lxc.net.0.link = vmbr0",
        "lxc.net.0.mtu = 1400",
        "lxc.cap.drop = mac_admin",
    ],
)
def test_what_proxmox_ve_would_give_lxc_is_there(line):
    assert line in lines()


def test_without_nesting_nothing_of_it_is_included():
    assert not [line for line in lines(features="") if "nesting" in line]


def test_a_dhcp_card_asks_by_its_own_address_so_that_it_keeps_it():
    text = networkd_file({"name": "eth0", "ip": "dhcp"})
    assert "DHCP=ipv4" in text
    assert "ClientIdentifier=mac" in text


def test_a_fixed_address_brings_its_gateway():
    assert "Address=10.213.1.50/24\nGateway=10.213.1.1" in networkd_file({"name": "eth0", "ip": "10.213.1.50/24", "gw": "10.213.1.1"})
