"""Addresses and keys that cannot be used are refused in words when the client is made."""

import pytest
from maquette import Maquette
from maquette.errors import ConnectionFailed, MaquetteError
from maquette.settings import ClientSettings


@pytest.mark.parametrize(
    "url",
    [
        "notaurl",
        "http://",
        "ftp://x",
        "http://[::1",
        "http://exa mple",
        "http://x:99999",
        "http://x:y",
        "//x",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="is not the address of a service"):
        Maquette(url)


@pytest.mark.parametrize(
    "url", ["http://x", "HTTPS://x:1/", "http://[::1]:8700", " http://x \n", "http://x/base/"]
)
def test_addresses_are_taken_in_every_usual_form(url: str) -> None:
    assert ClientSettings.load(url).url == url.strip().rstrip("/")


@pytest.mark.parametrize("key", ["ä", "a\nb", "a b", "\udcff", "a\x00"])
def test_what_no_key_can_be_is_refused(key: str) -> None:
    with pytest.raises(MaquetteError, match="API key"):
        Maquette("http://x", api_key=key)


def test_line_ends_around_a_key_are_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_API_KEY", "mq_secret\r\n")
    assert ClientSettings.load().headers()["Authorization"] == "Bearer mq_secret"
    monkeypatch.setenv("MAQUETTE_API_KEY", "  ")
    assert "Authorization" not in ClientSettings.load().headers()
