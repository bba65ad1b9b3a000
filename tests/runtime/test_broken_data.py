"""Every broken data file has its exact message. `ACTIONRUN_RENEW=1 pytest` writes them anew."""

import os
import shutil
from pathlib import Path

import pytest
from actionrun.runtime.data.observations import file_faults
from actionrun.spec import checked_study

BROKEN = Path(__file__).parent / "broken_data"
CASES = sorted(BROKEN.glob("*.toml"))


def messages(path: Path, folder: Path) -> str:
    """What `check` says of a study and its file."""
    for one in (path, path.with_suffix(".csv")):
        if one.is_file():
            shutil.copyfile(one, folder / one.name)
    study, faults = checked_study(folder / path.name)
    faults += file_faults(study) if study is not None and not faults else []
    text = "\n\n".join(fault.render(False) for fault in faults) + "\n"
    return text.replace(str(folder) + os.sep, "")


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_message(path: Path, tmp_path: Path):
    found = messages(path, tmp_path)
    golden = path.with_suffix(".txt")
    if os.environ.get("ACTIONRUN_RENEW"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
    assert found.strip(), "a broken file has at least one fault"


def test_there_are_enough():
    assert len(CASES) >= 40
