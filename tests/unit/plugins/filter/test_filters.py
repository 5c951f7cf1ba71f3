# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters, as plain functions."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.psw.ai.plugins.filter.house_urls import house_urls
from ansible_collections.psw.ai.plugins.filter.quadlet_environment import quadlet_environment


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.5:11434",
        "http://10.0.0.1",
        "http://[fd00::1]:8000/v1",
        "http://vllm:8000/v1",
        "https://ai.home.example/v1",
        "http://nas.lan",
        "http://localhost",
    ],
)
def test_an_address_in_the_house_passes(url):
    assert house_urls([url], "home.example") == [url]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "",
        "http://8.8.8.8",
        "https://home.example.evil.com",
        "https://evilhome.example",
        "api.openai.com",
        "http://[bad",
        "http://134744072/v1",  # 8.8.8.8 as one number
        "http://0x08080808/v1",
        "http://[::ffff:8.8.8.8]/v1",
        "http://vllm:8000/;https://api.openai.com/v1",  # Open WebUI takes this for two
        "http://api.openai.com\\@nas.lan/v1",
        "http://nas.lan/v1 ",
    ],
)
def test_an_address_out_of_the_house_is_refused_by_name(url):
    with pytest.raises(AnsibleFilterError) as refused:
        house_urls([url], "home.example")

    assert str(refused.value) == f"{url!r} is not the address of a service in the house: give a private address, or a name in home.example"


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"B": "2", "A": 1}, 'Environment="A=1"\nEnvironment="B=2"'),
        ({"ON": True, "OFF": False}, 'Environment="OFF=false"\nEnvironment="ON=true"'),
        ({"PATH_": "a%20b"}, 'Environment="PATH_=a%%20b"'),
        ({"JSON": '["x"]'}, 'Environment="JSON=[\\"x\\"]"'),
        ({"WIN": "a\\b"}, 'Environment="WIN=a\\\\b"'),
        ({}, ""),
    ],
)
def test_values_are_quoted_so_that_the_container_sees_them_as_they_are(values, lines):
    assert quadlet_environment(values) == lines


def test_a_value_of_several_lines_is_refused():
    with pytest.raises(AnsibleFilterError, match="the value of MOTD has several lines, which a unit cannot hold"):
        quadlet_environment({"MOTD": "a\nb"})


def test_something_else_than_names_and_values_is_refused():
    with pytest.raises(AnsibleFilterError, match="takes names and values, not list"):
        quadlet_environment(["A=1"])
