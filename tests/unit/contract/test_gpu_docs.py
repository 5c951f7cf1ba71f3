# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/gpus.md shows what psw really says about a machine."""

from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _gpu_sysfs, _gpu_verdict, _gpu_words

from lab import machines

DOCS = (Path(__file__).parents[3] / "docs/gpus.md").read_text(encoding="utf-8")
FLOOR = 7680
SHOWN = {
    "no_gpu": "no_gpu_but_a_bmc",
    "vfio_bound": "rtx_3090_bound_to_vfio",
    "integrated_only": "n100_only",
    "unsupported_arch": "gt_710_older_than_maxwell",
    "below_vram_floor": "gtx_1060_with_6_gib",
    "secure_boot_enabled": "rtx_3060_with_secure_boot_on",
}


def verdict(name, directory):
    root = machines.lay_out(machines.load(name), directory)
    return _gpu_verdict.assess(_gpu_sysfs.read_machine(str(root)), FLOOR)["verdict"]


@pytest.mark.parametrize(("code", "name"), SHOWN.items())
def test_a_refusal_is_documented_in_the_words_the_user_sees(code, name, tmp_path):
    said = verdict(name, tmp_path)
    assert said["code"] == code
    assert f"```text\nrefused: {said['message']}\n  {said['hint']}\n```" in DOCS


def test_every_code_of_a_verdict_is_documented():
    assert set(SHOWN) == set(_gpu_words.SENTENCES) | {"no_gpu"}
    assert [code for code in SHOWN if f"Code `{code}`" not in DOCS] == []
