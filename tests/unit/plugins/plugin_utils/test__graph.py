# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a picture."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._graph import BAR, WIDTH, draw
from ansible_collections.psw.ai.plugins.plugin_utils._planner import make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import with_defaults

REPO = Path(__file__).parents[4]
SVG = "{http://www.w3.org/2000/svg}"


def app(target="gpu", vram=4000, **more):
    return {"target": target, "resources": {"cores": 1, "memory_mib": 1000, "disk_gib": 2, **({"vram_mib": vram} if vram else {})}, **more}


def gpu(number, size, name="GeForce RTX 3060"):
    return {"address": f"0000:{number:02x}:00.0", "name": name, "usable_mib": size}


RECORDS = {
    "pve1": {"vendor": "nvidia", "gpus": [gpu(1, 8000), gpu(2, 4000)], "host": {"memory_mib": 32000, "cores": 8, "pools": []}},
    "pve2": {"vendor": "amd", "gpus": [gpu(3, 8000, "Radeon <RX> & Co")]},
    "pve3": {"vendor": "intel", "gpus": [gpu(3, 2000)]},
}
CATALOG = Catalog(
    {
        "engine": app(vram=9000, datasets={"models": "models"}),
        "ears": app(vram=2000),
        "eyes": app(vram=6000),
        "chat": app("core", 0, requires=["db"]),
        "db": app("core", 0),
    },
    {},
)


def planned(apps=("engine", "ears", "eyes", "chat"), records=None, catalog=CATALOG):
    wishes = with_defaults({"schema": 1, "domain": "home.example", "nodes": {node: {"host": node} for node in records or RECORDS}, "apps": list(apps)})
    return make_plan(wishes, records or RECORDS, catalog)


def drawn(plan=None, records=None, catalog=CATALOG):
    return ET.fromstring(draw(plan or planned(), records or RECORDS, catalog))


def texts(picture):
    return [text.text for text in picture.iter(f"{SVG}text")]


def of_class(picture, pattern):
    return [each for each in picture.iter() if re.fullmatch(pattern, each.get("class", ""))]


def test_everything_of_a_plan_is_in_its_picture():
    assert texts(drawn()) == [
        "home.example",
        *("pve1", "5024 of 32000 MiB of memory, 20 GiB of disk"),
        *("psw-ai", "1 core, 2512 MiB of memory, 12 GiB of disk", "engine", "ears"),
        *("GeForce RTX 3060, 0000:01:00.0", "8000 MiB", "GeForce RTX 3060, 0000:02:00.0", "4000 MiB"),
        *("11000 of 12000 MiB needed", "engine 9000", "ears 2000", "models, up to 100G, on pool auto (none fits)"),
        *("psw-core", "1 core, 2512 MiB of memory, 8 GiB of disk", "db", "chat"),
        *("pve2", "1512 MiB of memory, 10 GiB of disk", "psw-ai-pve2", "1 core, 1512 MiB of memory, 10 GiB of disk", "eyes"),
        *("Radeon <RX> & Co, 0000:03:00.0", "8000 MiB", "6000 of 8000 MiB needed", "eyes 6000"),
        "without a target: pve3 (2000 MiB of GPU memory)",
    ]


def test_a_bar_is_as_full_as_the_cards_and_shows_where_one_ends():
    picture = drawn()
    first, second, third = (float(bar.get("width")) for bar in of_class(picture, r"t\d") if bar.get("height") == "14")
    assert (first, second, third) == pytest.approx((BAR * 9000 / 12000, BAR * 2000 / 12000, BAR * 6000 / 8000), abs=0.1)
    (edge,) = of_class(picture, "edge")
    start = float(of_class(picture, "free")[0].get("x"))
    assert float(edge.get("x1")) == pytest.approx(start + BAR * 8000 / 12000, abs=0.1)


def test_apps_that_came_along_look_other_than_those_wished_for():
    picture = drawn()
    assert (len(of_class(picture, "wished")), len(of_class(picture, "needed"))) == (4, 1)


def test_the_same_plan_gives_the_same_picture():
    assert draw(planned(), RECORDS, CATALOG) == draw(planned(), RECORDS, CATALOG)


def test_nothing_sticks_out_of_the_picture_however_much_there_is():
    catalog = Catalog({f"a-rather-long-name-{number}": app("core" if number % 2 else "gpu", 0 if number % 2 else 100) for number in range(60)}, {})
    records = {"n" * 50: {**RECORDS["pve1"], "host": {"memory_mib": 64000, "cores": 8, "pools": []}}}
    picture = drawn(planned(catalog.apps, records, catalog), records, catalog)
    height = float(picture.get("height"))
    for box in picture.iter(f"{SVG}rect"):
        assert float(box.get("x", 0)) + float(box.get("width")) <= WIDTH
        assert float(box.get("y", 0)) + float(box.get("height")) <= height
    assert all(float(text.get("y")) < height for text in picture.iter(f"{SVG}text"))


def test_a_card_that_is_no_longer_recorded_has_no_bar():
    picture = drawn(records={"pve1": {"vendor": "nvidia", "gpus": [gpu(9, 8000)]}})
    assert "nvidia, 0000:01:00.0" in texts(picture)
    assert of_class(picture, "free") == []


def test_a_plan_of_nothing_is_drawn_too():
    assert texts(drawn(planned(apps=[]), {"pve2": RECORDS["pve3"]})) == ["home.example", "nothing to run", "without a target: pve2 (2000 MiB of GPU memory)"]


def test_a_picture_needs_nothing_from_elsewhere_and_has_colours_for_the_dark():
    svg = draw(planned(), RECORDS, CATALOG)
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|href|@import|url\(", svg)
    light, _, dark = re.search(r"<style>(.*)</style>", svg, re.DOTALL)[1].partition("@media (prefers-color-scheme:dark){")
    names = set(re.findall(r"\.(\w+)\{", light)) - {"h", "b", "s"}  # these three are sizes of text
    assert names == set(re.findall(r"\.(\w+)\{", dark))


def test_the_picture_in_the_docs_is_that_of_the_example():
    example = Project.open(REPO / "inventory/example")
    assert (REPO / "docs/plan-example.svg").read_text(encoding="utf-8") == draw(example.plan, example.records, Catalog.load()), "run: make generate"
