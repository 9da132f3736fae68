"""The error of a medium that cannot be used."""


class MediaError(Exception):
    """Clients read its stable `code` and its `detail`; `status` is the HTTP status of the answer."""

    def __init__(self, code: str, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
