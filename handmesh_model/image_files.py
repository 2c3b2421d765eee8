"""Which files are pictures."""

from __future__ import annotations

from pathlib import Path

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')


def image_files(folder: Path) -> list[Path]:
    """
    Pictures of a folder, by their names' endings, in alphabetical order; none if it is none.

    Hidden ones are left out: that is what a writer that was killed leaves behind.
    """
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not file.name.startswith('.')
        and file.is_file()
    )
