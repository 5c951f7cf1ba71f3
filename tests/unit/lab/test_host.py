"""What the lab reads from the machine under it."""

import pytest

from lab.host import LabError, apt_uris, missing_packages
from lab.registry import mirrors
from lab.rootfs import machine_certificates
from lab.services import dnsmasq_config
from lab.state import Lab

PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"


def test_the_machines_own_mirrors_are_used(tmp_path):
    one, two = tmp_path / "debian.sources", tmp_path / "more.list"
    one.write_text("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n", encoding="utf-8")
    two.write_text("deb [signed-by=/k] http://mirror.example/debian-security bookworm-security main\n", encoding="utf-8")
    assert apt_uris([one, two]) == {"debian": "http://mirror.example/debian", "security": "http://mirror.example/debian-security"}


def test_a_machine_without_any_mirror_is_told_so(tmp_path):
    off = tmp_path / "debian.sources.disabled"
    off.write_text("URIs: http://mirror.example/debian\n", encoding="utf-8")
    with pytest.raises(LabError, match="no Debian mirror in /etc/apt"):
        apt_uris([off])


def test_only_packages_of_missing_programs_are_installed():
    assert missing_packages({"sh": "dash", "no-such-program": "b", "nor-this-one": "a"}) == ["a", "b"]


def test_a_file_that_is_no_program_counts_when_it_is_there(tmp_path):
    keyring = tmp_path / "keyring.gpg"
    assert missing_packages({str(keyring): "keyring"}) == ["keyring"]
    keyring.touch()
    assert missing_packages({str(keyring): "keyring"}) == []


def test_only_certificates_that_debian_lacks_are_added():
    ours, extra = PEM.format("AAAA"), PEM.format("BBBB")
    assert machine_certificates(f"# comment\n{ours}\n{extra}\n", f"{ours}\n") == [extra]


def test_an_image_keeps_its_real_name_and_comes_from_the_lab():
    expected = '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "registry.lab:5000/docker.io"\n'
    assert expected in mirrors("registry.lab", 5000)


def test_vendors_hosts_resolve_to_the_lab():
    text = dnsmasq_config(Lab("t", 7, "rtx_3060"), ["download.nvidia.com"])
    assert "address=/download.nvidia.com/10.213.7.1" in text.splitlines()
    assert "dhcp-range=10.213.7.100,10.213.7.199,255.255.255.0,12h" in text.splitlines()
