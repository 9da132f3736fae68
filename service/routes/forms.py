"""The file of a multipart form (RFC 7578), taken out while the form arrives: nothing is spooled."""

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.problems import ServiceProblem

if TYPE_CHECKING:
    # the name exists for type checkers alone
    from python_multipart.multipart import MultipartCallbacks

PART = "file"
# as older clients write names that are not ASCII (RFC 5987, 2231)
ENCODED_FILE_NAME = re.compile(rb";\s*filename\*\d*\*?\s*=", re.IGNORECASE)


class FormFile:
    """Gives the bytes of the part 'file'; other parts are passed over."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise _invalid("the Content-Type names no boundary")
        self.has_file = False
        self._inside = False
        self._name, self._value = b"", b""
        self._disposition = b""
        self._pieces: list[bytes] = []
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            # a boundary that is too long
            raise _invalid(str(error)) from error

    def feed(self, data: bytes) -> list[bytes]:
        """The file's bytes that a piece of the form holds; raises ServiceProblem for a broken form."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _invalid(str(error)) from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin_part(self) -> None:
        self._inside, self._disposition = False, b""

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        is_file = bool(
            options.get(b"name") == PART.encode()
            and (b"filename" in options or ENCODED_FILE_NAME.search(self._disposition))
        )
        self._inside = is_file and not self.has_file
        self.has_file = self.has_file or is_file

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])


async def read_form_file(stream: AsyncIterator[bytes], content_type: str) -> AsyncIterator[bytes]:
    """The bytes of the form's file; raises ServiceProblem for a broken form or one without a file."""
    form = FormFile(content_type)
    async for data in stream:
        # an empty piece lets the caller count what is not part of the file
        for piece in form.feed(data) or [b""]:
            yield piece
    if not form.has_file:
        raise ServiceProblem("upload_empty", 422, f"the form needs the part '{PART}' with a file name")


def _invalid(why: str) -> ServiceProblem:
    return ServiceProblem("form_invalid", 400, f"the multipart form cannot be read: {why}")
