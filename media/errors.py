"""What can be wrong with a medium; `code` is stable and goes to the client as it is."""


class MediaError(Exception):
    """A medium that cannot be used; `status` is the HTTP status it maps to."""

    def __init__(self, code: str, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
