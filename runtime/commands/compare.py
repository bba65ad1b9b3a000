"""`actionrun compare`: what differs between runs."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.report.comparison import comparison, page, text
from actionrun.runtime.storage.atomic_write import json_text, write
from actionrun.runtime.storage.regular_files import content

from .run_arguments import run_at


def _is_free(page: Path) -> bool:
    """Whether a page may be written there: over nothing but another page."""
    try:
        return content(page).startswith(b"<!DOCTYPE html>")
    except FileNotFoundError:
        return True
    except OSError:  # a link, a pipe, something of another size
        return False


def compare(options: Namespace) -> int:
    """Show what differs between runs."""
    if len(options.run) < 2:
        raise Refused("compare needs two runs at least: actionrun compare RUN RUN")
    compared = comparison([run_at(path) for path in options.run])
    if options.json:
        print(json_text(asdict(compared)))
        return 0
    print(text(compared))
    if not _is_free(options.out):
        raise Refused(f"{options.out} is there already and is no page. Name another with --out")
    write(options.out, page(compared))
    print(f"\npage  {options.out}")
    return 0
