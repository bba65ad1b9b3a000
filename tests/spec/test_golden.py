"""Every mistake has its exact message. `ACTIONRUN_RENEW=1 pytest` writes the messages anew."""

import os
import shutil
from pathlib import Path

import pytest
from actionrun.spec import check

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(GOLDEN.glob("*.toml"))


def messages(path: Path, folder: Path) -> str:
    copy = folder / path.name
    shutil.copyfile(path, copy)
    text = "\n\n".join(fault.render(False) for fault in check(copy)) + "\n"
    return text.replace(str(folder) + os.sep, "")


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_message(path: Path, tmp_path: Path):
    found = messages(path, tmp_path)
    golden = path.with_suffix(".txt")
    if os.environ.get("ACTIONRUN_RENEW"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
    assert found.strip(), "a golden study has at least one fault"


def test_there_are_enough():
    assert len(CASES) >= 60
