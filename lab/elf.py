"""The smallest shared library that ldconfig accepts: a name, and nothing to call."""

import struct

_DT_NULL, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_SONAME = 0, 5, 6, 10, 11, 14
_HEADER, _PROGRAM = 64, 56
_EM_X86_64, _ET_DYN, _PT_LOAD, _PT_DYNAMIC = 62, 3, 1, 2


def shared_library(soname: str) -> bytes:
    """Return an x86-64 ELF file whose dynamic section names it."""
    strings = b"\0" + soname.encode("ascii") + b"\0"
    dynamic_at = _HEADER + 2 * _PROGRAM
    entries = 6 * 16
    symbols_at = dynamic_at + entries
    strings_at = symbols_at + 24
    size = strings_at + len(strings)
    dynamic = b"".join(
        struct.pack("<qQ", tag, value)
        for tag, value in ((_DT_SONAME, 1), (_DT_STRTAB, strings_at), (_DT_SYMTAB, symbols_at), (_DT_STRSZ, len(strings)), (_DT_SYMENT, 24), (_DT_NULL, 0))
    )
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = identity + struct.pack("<HHIQQQIHHHHHH", _ET_DYN, _EM_X86_64, 1, 0, _HEADER, 0, 0, _HEADER, _PROGRAM, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", _PT_LOAD, 4, 0, 0, 0, size, size, 0x1000)
    section = struct.pack("<IIQQQQQQ", _PT_DYNAMIC, 4, dynamic_at, dynamic_at, dynamic_at, entries, entries, 8)
    return header + load + section + dynamic + bytes(24) + strings
