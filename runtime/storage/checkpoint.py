"""Checkpoints: whole or absent, aware of their study, enough to go on bit for bit.

A checkpoint is the state's leaves in the order of its tree, and the names of the parts that hold
the samples reported up to its step. A part is written once and never again, so that memory and
writing stay bounded however long the run is. The last two checkpoints are kept, as the last one
may be damaged by what ended the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from actionrun.runtime.errors import CannotWrite, Damaged, Refused
from actionrun.runtime.events import Listener, Noted, Saved

from .array_file import Corrupt, store, stored
from .json_shapes import Optional, mismatch
from .regular_files import names, remove

KEPT = 2
NAME = re.compile(r"step-(\d{15})\.arrays")
PART = re.compile(r"samples-\d{15}-\d{15}\.arrays")
STAMP = {str: str}
HEADER = {
    "step": int, "seconds": float, "cpu": float, "stamp": STAMP, "tree": str,
    "names": Optional([str]), "parts": [{"file": str, "sha256": str}],
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """Where a march stands: `state` after `step` steps, `seconds` and `cpu` spent so far."""

    step: int
    state: Any
    seconds: float = 0.0
    cpu: float = 0.0


@dataclass
class Checkpoints:
    """The checkpoints of one run in `folder`.

    `stamp` is what must be the same to go on: the study's hash and the versions that the numbers
    depend on.
    """

    folder: Path
    stamp: Mapping[str, str]
    on_event: Listener
    step: int = -1  # of the newest one
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The run folder, from which on no link is followed."""
        return self.folder.parent

    def latest(self, like: Any) -> Point | None:
        """The newest checkpoint that is whole, its state shaped as `like`; None where none is.

        A damaged one is noted and the one before is used. Raises Refused, with the difference,
        for a checkpoint of another study or version.
        """
        for path in reversed(self._files()):
            try:
                point = self._point(path, like)
            except Corrupt as fault:
                self.on_event(Noted(f"{fault}; using the checkpoint before it, if there is one"))
                continue
            self.step = point.step
            return point
        return None

    def last_state(self, like: Any) -> Any:
        """The state of the newest checkpoint that is whole, whatever version of the code wrote it.

        Raises Refused where there is none, where it is of another study, and where it is not made
        of arrays with the names, shapes and types of those in `like`.
        """
        for path in reversed(self._files()):
            try:
                header, leaves = self._header(path)
            except Corrupt as fault:
                self.on_event(Noted(f"{fault}; using the checkpoint before it, if there is one"))
                continue
            self._compare(path, {**self.stamp, "study": header["stamp"].get("study", "none")})
            tree = _shape(jax.tree.structure(like))
            theirs, ours = header["tree"], tree
            if "names" in header:
                theirs, ours = header["names"], leaf_names(like)
            try:
                if theirs != ours:
                    raise Corrupt(f"{path.name} holds a state of another structure")
                return restored(leaves, tree, like, path.name)
            except Corrupt as fault:
                raise Refused(
                    f"{fault}: this version of actionrun has another network. Use the one that "
                    "trained it, or train it again with --fresh"
                ) from None
        raise Refused(f"{self.folder} holds no network. Run the study again with --fresh")

    def save(self, point: Point, rows: Mapping[str, Sequence[np.ndarray]]) -> None:
        """Save the state and the `rows` of samples reported since the last save."""
        if point.step == self.step:
            return
        kinds = [name for name in rows if rows[name]]
        if kinds:
            arrays = [np.concatenate(rows[name]) for name in kinds]
            path = self.folder / f"samples-{max(self.step, 0):015d}-{point.step:015d}.arrays"
            self.parts.append(
                {"file": path.name, "sha256": self._store(path, {"names": kinds}, arrays)}
            )
        leaves, shape = flat(point.state)
        header = {
            "step": point.step,
            "seconds": point.seconds,
            "cpu": point.cpu,
            "stamp": dict(self.stamp),
            "tree": shape,
            "names": leaf_names(point.state),
            "parts": self.parts,
        }
        path = self.folder / f"step-{point.step:015d}.arrays"
        self._store(path, header, leaves)
        self.step = point.step
        self._prune()
        self.on_event(Saved(path, point.step))

    def samples(self) -> dict[str, np.ndarray]:
        """All samples up to the newest checkpoint, each concatenated in order.

        Raises Damaged where a file has changed since it was written; the next start goes on from
        the checkpoint before it.
        """
        gathered: dict[str, list[np.ndarray]] = {}
        for part in self.parts:
            header, arrays = self._part(part)
            for name, array in zip(header["names"], arrays, strict=True):
                gathered.setdefault(name, []).append(array)
        return {name: np.concatenate(arrays) for name, arrays in gathered.items()}

    def _part(self, part: Mapping[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
        try:
            header, arrays, digest = stored(self.folder / part["file"], home=self.home)
            if digest != part["sha256"]:
                raise Corrupt(f"{part['file']} has changed")
            if mismatch(header, {"names": [str]}) or len(header["names"]) != len(arrays):
                raise Corrupt(f"{part['file']} does not say what it holds")
        except Corrupt as fault:
            raise Damaged(f"{fault}. Run again: it goes on from the checkpoint before") from None
        return header, arrays

    def _files(self) -> list[Path]:
        every = names(self.folder, home=self.home)
        return [self.folder / name for name in every if NAME.fullmatch(name)]

    def _store(self, path: Path, header: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> str:
        return store(path, header, arrays, home=self.home)

    def _header(self, path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
        """What a checkpoint says of itself, and its leaves. Raises Corrupt."""
        header, leaves, _ = stored(path, home=self.home)
        if wrong := mismatch(header, HEADER):
            raise Corrupt(f"{path.name} is damaged: {wrong[:60]} is not what belongs there")
        if not all(PART.fullmatch(part["file"]) for part in header["parts"]):
            raise Corrupt(f"{path.name} is damaged: it names files that are no samples")
        return header, leaves

    def _point(self, path: Path, like: Any) -> Point:
        header, leaves = self._header(path)
        self._compare(path, header["stamp"])
        for part in header["parts"]:
            if stored(self.folder / part["file"], home=self.home)[2] != part["sha256"]:
                raise Corrupt(f"{path.name} names samples that have changed ({part['file']})")
        state = restored(leaves, header["tree"], like, path.name)
        self.parts = list(header["parts"])
        return Point(header["step"], state, header["seconds"], header["cpu"])

    def _compare(self, path: Path, theirs: Mapping[str, str]) -> None:
        changed = [
            f"    {key}: {theirs.get(key, 'none')} then, {self.stamp.get(key, 'none')} now"
            for key in sorted({*theirs, *self.stamp})
            if theirs.get(key) != self.stamp.get(key)
        ]
        if changed:
            raise Refused(
                f"{path} cannot be gone on with, as this is not the same:\n"
                + "\n".join(changed)
                + "\nGo back to what it was made with, or start a new run with --fresh"
            )

    def _prune(self) -> None:
        """Keep the last checkpoints and the parts that they name."""
        # A file of a later step than ours is a damaged one that we went back from.
        good = [path for path in self._files() if int(path.stem[5:]) <= self.step]
        named = {part["file"] for part in self.parts} | {path.name for path in good[-KEPT:]}
        try:
            for name in names(self.folder, home=self.home):
                if name.endswith(".arrays") and name not in named:
                    remove(self.folder, name, home=self.home)
        except OSError as error:
            raise CannotWrite(self.folder, 0, error) from error


def flat(state: Any) -> tuple[list[np.ndarray], str]:
    """The leaves of a state as arrays, and its tree as a text that is the same in each process."""
    leaves, tree = jax.tree.flatten(state)
    return [np.asarray(leaf) for leaf in leaves], _shape(tree)


def leaf_names(state: Any) -> list[str]:
    """What the leaves of a state are called, in their order, such as ".weights[0]"."""
    return [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state)]


def restored(leaves: Sequence[np.ndarray], shape: str, like: Any, name: str) -> Any:
    """The state with these leaves, each of the type, shape and dtype of its leaf in `like`."""
    models, tree = jax.tree.flatten(like)
    if _shape(tree) != shape or len(models) != len(leaves):
        raise Corrupt(f"{name} holds a state of another structure")
    return jax.tree.unflatten(
        tree, [_leaf(leaf, model, name) for leaf, model in zip(leaves, models, strict=True)]
    )


def _leaf(leaf: np.ndarray, model: Any, name: str) -> Any:
    wanted = np.asarray(model)
    if leaf.shape != wanted.shape or leaf.dtype != wanted.dtype:
        raise Corrupt(f"{name} holds an array of another shape or type")
    match model:
        case jax.Array():
            return jax.device_put(leaf, model.sharding)
        case bool() | int() | float() | complex():
            return type(model)(leaf.item())
        case _:
            return leaf


def _shape(tree: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", str(tree))
