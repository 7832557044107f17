"""Folders of images: flat without labels, or with one sub-folder per class."""

import collections
import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import NamedTuple

import numpy as np

from data import conversion, digests, opening
from data.conversion import Conversions, Converted
from data.decoded import Decoded, Decoder, cached
from data.image_data import ImageData
from data.listing import Listing, count, find, listed
from data.opening import LeftOut
from data.reading import DEFAULT, Reading
from errors import UserError
from waiting import Work, waiting

_CHUNK = 256  # images decoded ahead
_THREADS = min(8, os.cpu_count() or 1)


def load(folder: pathlib.Path, reading: Reading = DEFAULT) -> ImageData:
    """Load the images of a folder as the train split, by class and then by relative path.

    Raises:
        UserError: no image can be used, the sizes differ and image_size is None, or an option has
            no effect.
    """
    listing = find(folder, reading)
    files = listing.files
    name = folder.resolve().name or "images"
    with waiting(f"reading the files of {name}", len(files)) as work:
        digest = digests.digest(folder, files, _in_threads, work)
    data = cached(
        name,
        ["folder", digest, *reading.key],
        lambda: _decoder(folder, listing, reading),
        folder.resolve(),
    )
    return dataclasses.replace(data, notes=(*data.notes, *listing.notes))


def _in_threads(function: Callable, items: list[str]) -> Iterator:
    """Map in threads, in order, at most one chunk ahead."""
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(items), _CHUNK):
            yield from pool.map(function, items[start : start + _CHUNK])


def _decoder(folder: pathlib.Path, listing: Listing, reading: Reading) -> Decoder:
    headers, left_out = {}, LeftOutFiles()
    with waiting(f"reading the sizes of the images of {folder}", len(listing.files)) as work:
        read = _in_threads(functools.partial(_header, folder, reading), listing.files)
        for work.done, (file, header) in enumerate(zip(listing.files, read, strict=True), 1):
            if isinstance(header, LeftOut):
                left_out.add(file, header)
            else:
                headers[file] = header
    skipped = [f for f, found in headers.items() if reading.gray == "skip" and found.channels == 1]
    for file in skipped:
        del headers[file]
    if skipped and not headers:
        raise UserError(
            f"skip leaves no image: all {len(skipped):,} images of dataset={folder} are gray; set "
            "gray=convert, which keeps one channel",
            "gray",
        )

    def require(some: object) -> None:
        if not some:
            raise UserError(
                f"{folder}: cannot read any of its {len(listing.files):,} PNG and JPEG files "
                f"({left_out.summary()})",
                "dataset",
            )

    require(headers)
    has_16_bits = any(header.has_16_bits for header in headers.values())
    conversion.require_16_bits(reading.bits, has_16_bits, folder)
    size = reading.image_size or _common_size(folder, [found.size for found in headers.values()])
    channels = max(header.channels for header in headers.values())
    numbers = {name: number for number, name in enumerate(listing.classes)}

    def decode(images: np.ndarray, labels: np.ndarray, work: Work) -> Decoded:
        conversions, kept = Conversions(reading.bits), 0
        decode_file = functools.partial(_decode, folder, reading, channels=channels, size=size)
        for file, converted in zip(headers, _in_threads(decode_file, list(headers)), strict=True):
            work.done += 1
            if isinstance(converted, LeftOut):
                left_out.add(file, converted)
                continue
            images[kept] = conversions.add(converted)
            if numbers:
                labels[kept] = numbers[file.split("/")[0]]
            kept += 1
        require(kept)
        notes = list(conversions.notes())
        if skipped:
            notes.append(f"{count(len(skipped), 'gray image')} left out: {listed(skipped)}")
        return Decoded(train=kept, notes=(*notes, *left_out.notes()))

    return Decoder(len(headers), (size, size, channels), tuple(listing.classes), decode)


class LeftOutFiles:
    """Files that are not read, by reason."""

    def __init__(self):
        self.files: dict[str, list[str]] = {}

    def add(self, file: str, reason: LeftOut) -> None:
        """Add a file."""
        self.files.setdefault(str(reason), []).append(file)

    def _by_number(self) -> list[tuple[str, list[str]]]:
        return sorted(self.files.items(), key=lambda item: (-len(item[1]), item[0]))

    def summary(self) -> str:
        """Return the reasons with their numbers of files."""
        return ", ".join(f"{len(files):,} {reason}" for reason, files in self._by_number())

    def notes(self) -> list[str]:
        """Return one line per reason with the names of the first files in their order."""
        return [
            f"{count(len(files), 'file')} left out, {reason}: {listed(sorted(files))}"
            for reason, files in self._by_number()
        ]


class _Header(NamedTuple):
    """Size (width, height), channels and depth of an image."""

    size: tuple[int, int]
    channels: int
    has_16_bits: bool


def _header(folder: pathlib.Path, reading: Reading, file: str) -> _Header | LeftOut:
    """Return the header of a file."""
    try:
        return opening.read(
            folder / file,
            lambda image, _: _Header(
                image.size, conversion.channels_of(image), conversion.has_16_bits(image)
            ),
            reading.most_pixels,
            repair=not reading.uses_first_rules,
        )
    except LeftOut as reason:
        return reason


def _decode(
    folder: pathlib.Path, reading: Reading, file: str, channels: int, size: int
) -> Converted | LeftOut:
    """Return the converted image of a file."""
    try:
        return opening.read(
            folder / file,
            lambda image, reopen: conversion.convert(image, channels, size, reading.bits, reopen),
            reading.most_pixels,
            repair=not reading.uses_first_rules,
        )
    except LeftOut as reason:
        return reason


def _common_size(folder: pathlib.Path, sizes: Iterable[tuple[int, int]]) -> int:
    seen = collections.Counter(sizes).most_common()
    (width, height), _ = seen[0]
    if len(seen) > 1 or width != height:
        sizes = listed([f"{w} x {h} ({count:,})" for (w, h), count in seen], 4)
        raise UserError(
            f"{folder}: the images are not squares of one size but (width x height) {sizes}; set "
            "image_size=64 or another side",
            "dataset",
        )
    return width
