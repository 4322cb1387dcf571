"""A CSV file as a stream of numbered lines, whatever its encoding and separator, in constant memory."""

import codecs
import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from pathlib import Path

from campaigns.rules.nir import holds_nir
from campaigns.rules.population_columns import MAX_LINE, InvalidLine, check_line, check_width, is_plain
from campaigns.rules.population_lines import Block

SEPARATORS = (";", ",", "\t")
_HEAD = 65_536
_BLOCK = 1 << 20
# Characters of lines held at once, some five hundred lines: their cells stay in the memory nearest to a core. Reading
# four times as many takes a third longer.
_TEXT = 1 << 17
_BINARY = {
    b"PK\x03\x04": "un classeur Excel ou une archive",
    b"\xd0\xcf\x11\xe0": "un classeur Excel",
    b"%PDF": "un document PDF",
    b"\x89PNG": "une image",
    b"\xff\xd8\xff": "une image",
    b"GIF8": "une image",
    b"\x1f\x8b": "une archive",
}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class UnreadableFile(Exception):
    """The file as a whole cannot be read as CSV; the message is a French sentence that says what to do."""


@dataclass(frozen=True)
class CsvSource:
    path: Path
    sha256: str
    encoding: str
    separator: str
    header: list[str]
    header_line: int  # its number, from 1
    line_count: int  # ends of lines: what a progress is measured against


def open_source(path: Path) -> CsvSource:
    """Look at the whole file once: fingerprint, encoding, separator, header. Raises ``UnreadableFile``."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        raise UnreadableFile("Le fichier est absent ou illisible. Vérifier son emplacement et ses droits.") from None
    _refuse_binary(head)
    encoding = _encoding_of(path, head)
    number, header = _read_header(path, encoding)
    separator = max(SEPARATORS, key=header.count)
    try:
        cells = split_line(header, separator)
    except InvalidLine as refusal:
        raise UnreadableFile(f"Première ligne : {refusal}") from None
    return CsvSource(path, sha256_of(path), encoding, separator, cells, number, _count_ends(path))


def read_records(source: CsvSource) -> Iterator[tuple[int, list[str] | InvalidLine]]:
    """Number and cells of each line after the header, or the reason why it has none. Blank lines are not lines."""
    lines = read_lines(source.path, source.encoding)
    next(lines)
    for number, text in lines:
        try:
            yield number, _cells_of(text, source)
        except InvalidLine as refusal:
            yield number, refusal


def read_blocks(
    source: CsvSource, wanted: bytearray | None = None, *, turn: int = 0, turns: int = 1
) -> Iterator[Block]:
    """The lines after the header, a few hundred at a time. Each line is checked alone only where its block, looked at
    as a whole, may hold something else than plain cells. ``wanted``: 1 for each line to read, by its number. Of every
    ``turns`` blocks, only that of this ``turn``, from 0."""
    number = 1
    for place, texts in enumerate(read_texts(source)):
        numbers, number = range(number, number + len(texts)), number + len(texts)
        if place % turns == turn:
            kept, chosen = _choose(numbers, texts, wanted)
            if kept and kept[0] == source.header_line:
                kept, chosen = kept[1:], chosen[1:]
            if chosen:
                yield _block_of(kept, chosen, source)


def read_texts(source: CsvSource) -> Iterator[list[str]]:
    """All the lines of the file, blank ones included, without their end; a few hundred at a time."""
    return _read_texts(source.path, source.encoding)


def _choose(numbers: range, texts: list[str], wanted: bytearray | None) -> tuple[Sequence[int], list[str]]:
    """The lines to read: wanted, and not blank."""
    if wanted is None and all(texts) and not any(map(str.isspace, texts)):
        return numbers, texts
    chosen = wanted[numbers.start : numbers.stop] if wanted is not None else repeat(1)
    kept = [(n, text) for n, text in compress(zip(numbers, texts, strict=True), chosen) if text and not text.isspace()]
    return [n for n, _text in kept], [text for _n, text in kept]


def read_lines(path: Path, encoding: str) -> Iterator[tuple[int, str | None]]:
    """Number and text of each line that is not blank; None for a line over ``MAX_LINE``, which is never held whole.

    A line is a record: a quoted cell cannot span two lines, so that one stray quote never swallows the rest.
    """
    number = 0
    for texts in _read_texts(path, encoding):
        for text in texts:
            number += 1
            if len(text) > MAX_LINE:
                yield number, None
            elif text and not text.isspace():
                yield number, text.rstrip("\r")


def _read_texts(path: Path, encoding: str) -> Iterator[list[str]]:
    """Lines in blocks; of a line over ``MAX_LINE`` only a beginning, still over it, is kept."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    with path.open(encoding=encoding, errors=errors, newline="\n") as file:
        rest = ""
        while text := file.read(_TEXT):
            texts = (rest + text).replace("\r\n", "\n").split("\n")
            rest = texts.pop()[: MAX_LINE + 1]
            yield texts
        yield [rest]


def _block_of(numbers: Sequence[int], texts: Sequence[str], source: CsvSource) -> Block:
    text = "\n".join(texts)
    is_safe = max(map(len, texts)) <= MAX_LINE and is_plain(text)
    width = len(source.header)
    if not is_safe or '"' in text or not _has_width(texts, source.separator, width):
        return _block_line_by_line(numbers, texts, source, is_safe=is_safe)
    cells = source.separator.join(texts).split(source.separator)
    return Block(numbers, texts, [cells[column::width] for column in range(width)], [])


def _has_width(texts: Sequence[str], separator: str, width: int) -> bool:
    return {text.count(separator) for text in texts} == {width - 1}


def _block_line_by_line(numbers: Sequence[int], texts: Sequence[str], source: CsvSource, *, is_safe: bool) -> Block:
    width = len(source.header)
    kept, refused = [], []
    for number, text in zip(numbers, texts, strict=True):
        cells: list[str] = []
        try:
            if is_safe:
                cells = split_line(text, source.separator)
            else:
                cells = _cells_of(None if len(text) > MAX_LINE else text.rstrip("\r"), source)
            check_width(cells, width)
            kept.append((number, text, cells))
        except InvalidLine as refusal:
            refused.append((number, refusal, cells))
    columns = list(zip(*[cells for _number, _text, cells in kept], strict=True))
    return Block([number for number, _text, _cells in kept], [text for _number, text, _cells in kept], columns, refused)


def split_line(text: str, separator: str) -> list[str]:
    """Cells of a line, stripped. Raises ``InvalidLine`` when a quote is left open."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=separator, strict=True))]
    except csv.Error:
        raise InvalidLine("Un guillemet n’est pas fermé, ou il est mal placé.") from None


def _cells_of(text: str | None, source: CsvSource) -> list[str]:
    if text is None:
        raise InvalidLine(f"La ligne dépasse {MAX_LINE} caractères.", value_class="ligne démesurée")
    check_line(text)
    return split_line(text, source.separator)


def _read_header(path: Path, encoding: str) -> tuple[int, str]:
    first = next(read_lines(path, encoding), None)
    if first is None:
        raise UnreadableFile("Le fichier est vide. La première ligne doit nommer les colonnes.")
    number, text = first
    if text is None or any(ord(c) < 32 and c != "\t" for c in text):
        raise UnreadableFile("Ce fichier n’est pas du texte. Enregistrer l’extraction au format CSV.")
    if holds_nir(text):
        raise UnreadableFile(
            "La première ligne contient un numéro de sécurité sociale : elle doit nommer les colonnes, et aucune ligne "
            "ne doit porter de NIR."
        )
    return number, text


def _refuse_binary(head: bytes) -> None:
    if not head.strip():
        raise UnreadableFile("Le fichier est vide. La première ligne doit nommer les colonnes.")
    for mark, what in _BINARY.items():
        if head.startswith(mark):
            raise UnreadableFile(f"Ce fichier est {what}, pas du texte. Enregistrer l’extraction au format CSV.")


def _encoding_of(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnreadableFile("L’encodage du fichier est inconnu. L’enregistrer en UTF-8.")
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    first = head.split(b"\n", 1)[0]
    if b"\x00" in first:
        return _utf16_without_mark(first)
    return "utf-8" if _is_utf8(path) else "cp1252"


def _utf16_without_mark(first: bytes) -> str:
    """A header is nearly all ASCII: in UTF-16 every second byte is null."""
    for encoding, zeros in (("utf-16-le", first[1::2]), ("utf-16-be", first[0::2])):
        if zeros.count(0) > 0.9 * len(zeros) and first.count(0) <= len(zeros):
            return encoding
    raise UnreadableFile("Ce fichier n’est pas du texte, ou son encodage est inconnu. L’enregistrer en CSV, en UTF-8.")


def _is_utf8(path: Path) -> bool:
    """Accents of another encoding hardly ever look like UTF-8: one line in ten that shows it decides, and the torn ones
    are rejected instead of turning every accent to rubbish."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _shows_utf8(path)
    return True


def _shows_utf8(path: Path) -> bool:
    shown, contradicted = 0, 0
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if not line.isascii():
                is_utf8 = _decodes(line)
                shown, contradicted = shown + is_utf8, contradicted + (not is_utf8)
    return shown > 0 and shown * 9 >= contradicted


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_ends(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
