"""A file that names providers, each with its own token and certificates; tokens stand in files of their own.

It is TOML. What stands at its top holds for every provider that says nothing else; names of files are
relative to the file's directory::

    ca = "clouds-ca.pem"          # the provider must show a certificate by a CA in it
    certificate = "broker.pem"    # what we show, where a provider wants a client certificate
    key = "broker.key"

    [[provider]]
    url = "https://a.example:9001"
    token_file = "a.token"        # its first line; of one provider only, so not at the top

    [[provider]]
    url = "https://b.example:9001"
    token_file = "b.token"
    ca = "b-ca.pem"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudsec.endpoints import HttpEndpoint
from cloudsec.errors import shown

_FOR_ALL = ("ca", "certificate", "key")
_FILES = ("token_file", *_FOR_ALL)
_FOR_ONE = ("url", *_FILES)


def read_providers(path: Path) -> list[HttpEndpoint]:
    """The providers that a file names, in its order; ValueError, naming the file, where it holds none."""
    try:
        settings = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{shown(path)} is no TOML file: {error}") from error
    named = settings.pop("provider", [])
    if not (isinstance(named, list) and named and all(isinstance(each, dict) for each in named)):
        raise ValueError(f"{shown(path)} names no provider; begin each one with a line [[provider]]")
    _check(path, settings, _FOR_ALL)
    return [_endpoint(path, {**settings, **each}) for each in named]


def _endpoint(path: Path, settings: Mapping[str, Any]) -> HttpEndpoint:
    _check(path, settings, _FOR_ONE)
    if "url" not in settings:
        raise ValueError(f"{shown(path)} has a provider without url; give each one its own")
    if ("certificate" in settings) != ("key" in settings):
        raise ValueError(f"{shown(path)}: certificate and key belong together; give both")
    files = {name: path.parent / settings[name] for name in _FILES if name in settings}
    certificate = (files["certificate"], files["key"]) if "key" in files else None
    token = _text(files["token_file"]).partition("\n")[0].strip() if "token_file" in files else None
    try:
        return HttpEndpoint(settings["url"], token, ca=files.get("ca"), certificate=certificate)
    except ValueError as error:
        raise ValueError(f"{shown(path)}: {error}") from error


def _check(path: Path, settings: Mapping[str, Any], accepted: tuple[str, ...]) -> None:
    for name, value in settings.items():
        if name not in accepted:
            raise ValueError(f"{shown(path)}: {name!r} cannot stand there; there are: {', '.join(accepted)}")
        if not (isinstance(value, str) and value.isprintable()):
            raise ValueError(f"{shown(path)}: {name} must be a text of one line in quotes")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{shown(path)} is no text; name another file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"{shown(path)} cannot be read: {reason}; name another file") from error
