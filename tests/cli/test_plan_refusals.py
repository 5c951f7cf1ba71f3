"""What psw plan says when wishes cannot be planned; each message stands in docs/messages.md."""

from __future__ import annotations

import pytest


@pytest.fixture
def said(psw, project, edit):
    """Change psw.yml and the record, and return the exit code and what psw plan says."""

    def run(wishes="", record="", **replaced):
        with (project / "psw.yml").open("a") as file:
            file.write(wishes)
        with (project / "nodes/pve1/gpu.yml").open("a") as file:
            file.write(record)
        for after in replaced.values():
            edit(*after)
        answer = psw("plan")
        return answer.exit_code, answer.stderr

    return run


def test_more_memory_than_the_node_has(said, documented):
    code, text = said(record="host: {memory_mib: 8192, cores: 4, pools: []}\n")
    assert (code, documented(text)) == (2, True), text


def test_more_than_any_node_has(said, project, documented):
    other = (project / "nodes/pve1/gpu.yml").read_text().replace("node: pve1", "node: pve2")
    (project / "nodes/pve2").mkdir()
    (project / "nodes/pve2/gpu.yml").write_text(other + "host: {memory_mib: 4000, cores: 4, pools: []}\n")
    small = ("nodes/pve1/gpu.yml", "usable_mib: 12288", "usable_mib: 2048")
    second = ("psw.yml", "nodes:\n", "nodes:\n  pve2: {host: 192.0.2.11}\n")
    first = ("psw.yml", "apps: [ollama, openwebui]", "apps: [ollama]")
    code, text = said(small=small, second=second, first=first)
    assert code == 2
    # The node with the most GPU memory is asked first.
    assert text.startswith("error: no node has room for ollama (4096 MiB of GPU memory, 8192 MiB of memory, 16 GiB of disk): pve2 has 4000 of 4000 MiB")
    assert documented(text)


def test_a_card_that_is_not_there(said, documented):
    code, text = said('targets: {psw-ai: {gpus: ["0000:02:00.0"]}}\n')
    assert (code, documented(text)) == (2, True), text


def test_a_target_that_there_is_not(said, documented):
    code, text = said("targets:\n  psw-ia: {vmid: 200}\n")
    assert (code, documented(text)) == (2, True), text


def test_one_address_for_two_targets(said, documented):
    code, text = said("network: {ip: 192.0.2.31/24, gateway: 192.0.2.1}\n")
    assert (code, documented(text)) == (3, True), text


def test_one_number_for_two_targets(said, documented):
    code, text = said("targets: {psw-ai: {vmid: 200}, psw-core: {vmid: 200}}\n")
    assert (code, documented(text)) == (3, True), text
