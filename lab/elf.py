"""The smallest ELF files that tools accept: a shared library for ldconfig, a kernel module for depmod."""

import struct

_DT_NULL, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_SONAME = 0, 5, 6, 10, 11, 14
_HEADER, _PROGRAM = 64, 56
_EM_X86_64, _ET_REL, _ET_DYN, _PT_LOAD, _PT_DYNAMIC = 62, 1, 3, 1, 2


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


def kernel_module(**info: str) -> bytes:
    """Return a kernel module that says who it is, and does nothing: what modinfo and depmod read."""
    modinfo = b"".join(f"{tag}={value}".encode() + b"\0" for tag, value in info.items())
    names = b"\0.modinfo\0.shstrtab\0"
    modinfo_at, names_at = _HEADER, _HEADER + len(modinfo)
    sections_at = (names_at + len(names) + 7) // 8 * 8
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = identity + struct.pack("<HHIQQQIHHHHHH", _ET_REL, _EM_X86_64, 1, 0, 0, sections_at, 0, _HEADER, 0, 0, 64, 3, 2)
    rows = ((0, 0, 0, 0, 0), (1, 1, 2, modinfo_at, len(modinfo)), (10, 3, 0, names_at, len(names)))  # name, type, flags, offset, size
    sections = b"".join(struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, at, size, 0, 0, 1, 0) for name, kind, flags, at, size in rows)
    return (header + modinfo + names).ljust(sections_at, b"\0") + sections
