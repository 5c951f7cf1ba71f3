"""The stand-in for nvidia-smi tells what the engine's processes hold."""

import subprocess

import pytest

from lab.paths import DATA

HELD = 700 << 20


@pytest.fixture
def smi(tmp_path):
    """The program with a machine of its own: two cards, and a device node that is always there."""
    for minor, address in enumerate(["0000:01:00.0", "0000:02:00.0"]):
        home = tmp_path / "driver/gpus" / address
        home.mkdir(parents=True)
        (home / "information").write_text(f"Model: \t NVIDIA Tesla P40\nGPU UUID: GPU-{minor}\nDevice Minor: {minor}\n", encoding="utf-8")
        (home / "lab").write_text("memory_mib: 24576\ncompute: 6.1\n", encoding="utf-8")
        (tmp_path / f"dev/nvidia{minor}").parent.mkdir(exist_ok=True)
        (tmp_path / f"dev/nvidia{minor}").symlink_to("/dev/null")
    (tmp_path / "dev/nvidiactl").symlink_to("/dev/null")
    (tmp_path / "driver/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Release Build\n", encoding="utf-8")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libnvidia-ml.so.580.159.04").touch()
    (tmp_path / "lib/libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.580.159.04")
    text = (DATA / "nvidia/driver/nvidia-smi").read_text(encoding="utf-8")
    places = {
        "/usr/lib/x86_64-linux-gnu": "lib",
        "/proc/driver/nvidia": "driver",
        "/proc/": "proc/",
        "/usr/lib/psw-lab/kernel": "lib",
        "/dev/nvidia": "dev/nvidia",
    }
    for place, ours in places.items():
        text = text.replace(place, str(tmp_path / ours) + ("/" if place.endswith("/") else ""))
    program = tmp_path / "nvidia-smi"
    program.write_text(text, encoding="utf-8")
    return lambda *words: subprocess.run(["sh", program, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def processes(tmp_path):
    """One process that holds a model on the second card, and two that hold nothing."""
    commands = {41: f"python3 -m standin.runner --port=1 --gpu=0000:02:00.0 --vram={HELD}", 42: "python3 -m standin.runner --port=2", 43: "vi --vram=9"}
    for number, command in commands.items():
        (tmp_path / f"proc/{number}").mkdir(parents=True)
        (tmp_path / f"proc/{number}/cmdline").write_text(command.replace(" ", "\0"), encoding="utf-8")


def test_a_card_that_nobody_uses_has_all_its_memory_free(smi):
    assert smi("--query-gpu=index,memory.used,memory.free", "--format=csv,noheader,nounits") == "0, 4, 24572\n1, 4, 24572\n"
    assert smi("--query-compute-apps=pid", "--format=csv,noheader") == ""


@pytest.mark.usefixtures("processes")
def test_a_loaded_model_is_seen_on_its_card_and_by_its_process(smi):
    assert smi("--query-gpu=index,memory.used,memory.free", "--format=csv,noheader") == "0, 4 MiB, 24572 MiB\n1, 704 MiB, 23872 MiB\n"
    said = smi("--query-compute-apps=pid,process_name,used_memory,gpu_uuid", "--format=csv,noheader")
    assert said == "41, /usr/bin/ollama, 700 MiB, GPU-1\n"
