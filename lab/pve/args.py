"""Command lines as Proxmox VE's commands read them: pure."""

from collections.abc import Sequence


class UsageError(Exception):
    """A command line that the command does not understand."""


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not word.lstrip("-")[:1].isdigit()


def parse(words: Sequence[str], positional: Sequence[str]) -> dict[str, str]:
    """Return the parameters of `command <positional…> [--option value | -option=value | --flag]…`."""
    found: dict[str, str] = {}
    names = list(positional)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_option(word):
            if not names:
                raise UsageError(f"too many arguments: {word}")
            found[names.pop(0)] = word
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if not equals:
            # A flag stands alone; an option takes the next word, which may be empty but is no option itself.
            value = rest.pop(0) if rest and not _is_option(rest[0]) else "1"
        found[key] = value
    if names:
        raise UsageError(f"not enough arguments: {', '.join(names)}")
    return found
