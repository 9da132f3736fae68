"""Addresses of a request never reach the inside of the network."""

import pytest

from media.errors import MediaError
from media.fetch import check_url, fetch

INSIDE = [
    "https://127.0.0.1/a.png",
    "https://localhost/a.png",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://10.1.2.3/a.png",
    "https://169.254.169.254/latest/meta-data",
    "https://192.168.0.1/a.png",
    "https://metadata.google.internal/x",
    "https://0.0.0.0/a.png",
    "https://[fd00::1]/a.png",
    "https://224.0.0.1/a.png",
]


@pytest.mark.parametrize(
    "url", [*INSIDE, "http://example.com/a.png", "file:///etc/passwd", "https://u:p@example.com/"]
)
def test_refused_without_a_look_up(url: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_url(url)
    assert caught.value.code == "url_not_allowed"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "::1", "::ffff:10.0.0.5", "100.64.0.1", "fe80::1"]
)
def test_a_public_name_with_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(MediaError) as caught:
        next(fetch("https://example.com/a.png", 1000, 1, resolve=lambda _: ["93.184.216.34", address]))
    assert caught.value.code == "url_not_allowed"


def test_public_names_pass_the_check() -> None:
    check_url("https://example.com/a.png")
