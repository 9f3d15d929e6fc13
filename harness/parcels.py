"""What `pocketbench pack` and `unpack` do: a build in the fewest bytes for sending it, and back."""

from __future__ import annotations

from pathlib import Path

from harness.commands import Answer


def pack(source: Path, target: Path | None) -> Answer:
    """Write the packed form, by default beside the file; says how it compares with the plain and the zipped one."""
    from converters import packing

    target = target or source.with_name(source.name + packing.SUFFIX)
    made = packing.pack_file(source, target)
    times = made.original_bytes / made.packed_bytes
    held = ", ".join(f"{count} {word}" for word, count in sorted(made.codings.items())) or "none found"
    lines = [
        f"{made.path}: {made.packed_bytes:,} bytes, {times:.1f} times smaller than {made.original}",
        f"  plain {made.original_bytes:,}, zipped {made.download_bytes:,}, packed {made.packed_bytes:,} bytes",
        f"  weight tensors: {held}; it comes back bit by bit with: pocketbench unpack {made.path}",
    ]
    if made.packed_bytes >= made.download_bytes:
        lines.append("  packing does not pay here: the zipped file is no larger")
    return Answer(text="\n".join(lines), data=made)


def unpack(source: Path, target: Path | None) -> Answer:
    """Write the file that a packed one holds, proven by its SHA-256."""
    from converters import pack as format_
    from converters import packing

    made = packing.unpack_file(source, target, limit_bytes=format_.LIMIT_BYTES)
    return Answer(text=f"{made.path}: {made.original_bytes:,} bytes, the same as were packed (SHA-256)", data=made)
