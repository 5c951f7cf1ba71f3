# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When podman's description of the GPU is made anew."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._nvidia_cdi import made_for, plan
from ansible_collections.psw.ai.plugins.module_utils._steps import Step

VERSION, UNIT, PATH = "580.159.04", "psw-nvidia-cdi.service", "/etc/cdi/nvidia.yaml"


def spec(version):
    library = f"/usr/lib/x86_64-linux-gnu/libcuda.so.{version}"
    return (
        "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n  - name: all\ncontainerEdits:\n  mounts:\n"
        f"    - hostPath: {library}\n      containerPath: {library}\n"
    )


@pytest.mark.parametrize(
    ("text", "before"),
    [
        (None, ""),
        ("", "no description of nvidia.com/gpu\n"),
        (spec(VERSION)[:30], "no description of nvidia.com/gpu\n"),
        (spec("580.142"), "nvidia.com/gpu with driver 580.142\n"),
        (spec("580.142").replace("libcuda", "libother"), "nvidia.com/gpu without a driver\n"),
    ],
    ids=["deleted", "emptied", "cut off", "of another driver", "without a driver"],
)
def test_a_description_that_does_not_fit_is_shown_and_made_anew_by_its_unit_alone(text, before):
    (step,) = plan(made_for(text), PATH, UNIT, VERSION, [])
    assert (step.op, step.target) == ("restart", UNIT)
    assert step.diff == {"before": before, "after": f"nvidia.com/gpu with driver {VERSION}\n", "before_header": PATH, "after_header": PATH}


def test_one_that_fits_is_left_alone():
    assert plan(made_for(spec(VERSION)), PATH, UNIT, VERSION, []) == []


def test_one_that_names_what_is_not_there_is_made_anew_with_it():
    (step,) = plan(made_for(spec(VERSION), ["/dev/nvidia-uvm", "/dev/nvidia0"]), PATH, UNIT, VERSION, [])
    assert (step.op, step.target) == ("restart", UNIT)
    assert step.diff["before"] == f"nvidia.com/gpu with driver {VERSION}, and without /dev/nvidia-uvm, /dev/nvidia0\n"
    assert step.diff["after"] == f"nvidia.com/gpu with driver {VERSION}\n"


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_unit_that_starts_anyway_does_not_start_twice(verb):
    assert plan("", PATH, UNIT, VERSION, [Step(verb, UNIT)]) == []


def test_another_unit_that_starts_makes_no_description():
    assert len(plan("", PATH, UNIT, VERSION, [Step("start", "nvidia-persistenced.service"), Step("enable", UNIT)])) == 1
