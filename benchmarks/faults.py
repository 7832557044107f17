"""Power of the tests: the share of small faults that they detect.

    python -m benchmarks.faults [--old=DIR] [--only=NAME,...] [--record=FILE] [--check]

Puts the faults of benchmarks/fault_list.py one at a time into a temporary copy of this tree and,
with --old, of the worktree DIR of an older commit, and runs pytest -x on the tests of the fault's
room and the contracts, those of its unit first, for at most 120 seconds. A fault is killed if a
test fails that passes without the fault. A fault that survives or is not found in time is not
killed. Prints one line per fault and the totals, and writes a JSON record, from which an
interrupted run resumes: a fault is tried again if it, its file or its tests have changed. The exit
code is 1 if this tree kills fewer faults than the older one.
"""

import argparse
import ast
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.fault_list import FAULTS, OLD_TESTS, TESTS, Change, Fault
from storage.files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT = 120  # seconds per fault and tree
NEW, OLD = "new", "old"
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
FAILED_TESTS = pathlib.Path(".pytest_cache", "v", "cache", "lastfailed")


class Failed(Exception):
    """Error of pytest itself; the message is the end of its output."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """Source tree: `name` is NEW or OLD."""

    name: str
    path: pathlib.Path

    def change(self, fault: Fault) -> Change:
        """Return the change of a fault in this tree."""
        return fault.new if self.name == NEW else fault.old

    def tests(self, room: str, change: Change) -> list[str]:
        """Return the test files of a change in the order in which they run."""
        places = [*change.first, *(TESTS if self.name == NEW else OLD_TESTS)[room]]
        files = []
        for place in places:
            path = self.path / place
            found = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
            files += [file.relative_to(self.path).as_posix() for file in found]
        return list(dict.fromkeys(files))

    def key(self, room: str, change: Change) -> str:
        """Return a hash of a change, its file and its tests."""
        files = [change.file, *self.tests(room, change)]
        content = [repr(change), *((self.path / file).read_text() for file in files)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def faulty(tree: Tree, change: Change) -> str:
    """Return the source of the changed file.

    Raises:
        ValueError: the text does not occur once, or the source does not compile.
    """
    source = (tree.path / change.file).read_text()
    if (count := source.count(change.text)) != 1:
        raise ValueError(f"{change.file} has {count} times {change.text!r}")
    changed = source.replace(change.text, change.replacement)
    try:
        same = ast.dump(ast.parse(source)) == ast.dump(ast.parse(changed))
    except SyntaxError as error:
        raise ValueError(f"{change.file} does not compile: {error}") from None
    if same:
        raise ValueError(f"{change.file} is not changed by {change.replacement!r}")
    return changed


def problems(tree: Tree, faults: Mapping[str, Sequence[Fault]] = FAULTS) -> Iterator[str]:
    """Yield the faults that cannot be applied to a tree, without running any test."""
    names = [fault.name for group in faults.values() for fault in group]
    yield from (f"{name}: declared twice" for name in set(names) if names.count(name) > 1)
    for room, group in faults.items():
        for fault in group:
            change = tree.change(fault)
            places = [*change.first, *(TESTS if tree.name == NEW else OLD_TESTS)[room]]
            for place in (place for place in places if not (tree.path / place).exists()):
                yield f"{fault.name}: {place} does not exist in the {tree.name} tree"
            try:
                faulty(tree, change)
            except (OSError, ValueError) as error:
                yield f"{fault.name}, {tree.name} tree: {error}"


@contextlib.contextmanager
def copy_of(tree: Tree) -> Iterator[Tree]:
    """Yield a temporary copy of the tracked files of a tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=tree.path, capture_output=True, text=True, check=True
    )
    with tempfile.TemporaryDirectory(prefix=f"faults-{tree.name}-") as folder:
        copy = Tree(tree.name, pathlib.Path(folder))
        for name in filter(None, listed.stdout.split("\0")):
            if (tree.path / name).is_file():
                (copy.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree.path / name, copy.path / name)
        yield copy


@contextlib.contextmanager
def applied(tree: Tree, change: Change) -> Iterator[None]:
    """Change a file inside the block."""
    file = tree.path / change.file
    before = file.read_bytes()
    file.write_text(faulty(tree, change))
    try:
        yield
    finally:
        file.write_bytes(before)


def pytest(tree: Tree, arguments: Iterable[str], limit: float | None) -> list[str] | None:
    """Run pytest in a tree; return the failed tests, or None after `limit` seconds.

    Raises:
        Failed: pytest ends with neither passed nor failed tests.
    """
    shutil.rmtree(tree.path / ".pytest_cache", ignore_errors=True)
    # Without bytecode: two faults of one file may have its size and its time.
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", *arguments],
            cwd=tree.path,
            env={**variables, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            stop(process)
        if code == 0:
            return []
        failed = tree.path / FAILED_TESTS
        if code not in (1, 2) or not failed.exists():  # 2: a test file cannot be imported
            output.seek(0)
            raise Failed(f"pytest has ended with code {code}:\n{output.read()[-2000:]}")
        return list(json.loads(failed.read_text()))


def stop(process: subprocess.Popen) -> None:
    """Kill a process, if it still runs, and those that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tried(tree: Tree, room: str, change: Change) -> dict:
    """Return the outcome of a fault in a copy of a tree, its seconds, and the test that failed."""
    key, start = tree.key(room, change), time.perf_counter()
    with applied(tree, change):
        failed = pytest(tree, ["-x", *tree.tests(room, change)], LIMIT)
    outcome = TIMED_OUT if failed is None else KILLED if failed else SURVIVED
    seconds = round(time.perf_counter() - start, 1)
    return {"outcome": outcome, "seconds": seconds, "failed": (failed or [""])[0], "key": key}


def confirm(tree: Tree, found: Mapping[str, dict]) -> None:
    """Run the tests that have killed faults without a fault; a fault of one that fails survives."""
    new = [r for r in found.values() if r["outcome"] == KILLED and not r.get("confirmed")]
    if not new:
        return
    failed = pytest(tree, dict.fromkeys(result["failed"] for result in new), None)
    for result in new:
        result["confirmed"] = result["failed"] not in failed
        if not result["confirmed"]:
            print(f"{tree.name}: {result['failed']} fails without a fault")
            result["outcome"] = SURVIVED


def selected(only: str) -> list[tuple[str, Fault]]:
    """Return pairs (room, fault) of the given names of faults and rooms, by default all.

    Raises:
        ValueError: a name is unknown.
    """
    pairs = [(room, fault) for room, group in FAULTS.items() for fault in group]
    names = {name for name in only.split(",") if name}
    if unknown := names - set(FAULTS) - {fault.name for _, fault in pairs}:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    return [(r, f) for r, f in pairs if not names or {r, f.name} & names]


def read_record(file: pathlib.Path) -> dict[str, dict[str, dict]]:
    """Return the results of a record: name of a tree -> name of a fault -> result."""
    return json.loads(file.read_text()) if file.exists() else {}


def line(room: str, fault: Fault, results: Mapping[str, Mapping[str, dict]]) -> str:
    """Return the outcomes of a fault in one line."""
    parts = [
        f"{name} {found[fault.name]['outcome']:9} {found[fault.name]['seconds']:5.0f} s"
        for name, found in results.items()
    ]
    return f"{room:10} {fault.name:35} {'   '.join(parts)}"


def killed(pairs: Iterable[tuple[str, Fault]], found: Mapping[str, dict]) -> int:
    """Return the number of killed faults."""
    return sum(found[fault.name]["outcome"] == KILLED for _, fault in pairs)


def totals(pairs: Sequence[tuple[str, Fault]], results: Mapping[str, Mapping[str, dict]]) -> str:
    """Return the killed faults of each room, and the faults that are not killed, by name."""
    lines = []
    for title in (*FAULTS, "all"):
        of_room = [pair for pair in pairs if title in (pair[0], "all")]
        if of_room:
            counts = [f"{name} {killed(of_room, found):2}" for name, found in results.items()]
            lines.append(f"{title:10} killed of {len(of_room):2}: {', '.join(counts)}")
    for name, found in results.items():
        for outcome in (SURVIVED, TIMED_OUT):
            names = [f.name for _, f in pairs if found[f.name]["outcome"] == outcome]
            if names:
                lines.append(f"{name}, {outcome}: {', '.join(names)}")
    return "\n".join(lines)


def run(pairs: Sequence[tuple[str, Fault]], trees: Sequence[Tree], record: pathlib.Path) -> int:
    """Try the faults in all trees; return the exit code."""
    kept = read_record(record)
    results = {tree.name: kept.setdefault(tree.name, {}) for tree in trees}
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(copy_of(tree)) for tree in trees]
        for room, fault in pairs:
            for tree in copies:
                found, change = results[tree.name], tree.change(fault)
                if found.get(fault.name, {}).get("key") != tree.key(room, change):
                    found[fault.name] = tried(tree, room, change)
                    write_json(record, kept)
            print(line(room, fault, results), flush=True)
        for tree in copies:
            confirm(tree, {fault.name: results[tree.name][fault.name] for _, fault in pairs})
            write_json(record, kept)
    print(totals(pairs, results))
    counts = {name: killed(pairs, found) for name, found in results.items()}
    return int(counts[NEW] < counts.get(OLD, 0))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=pathlib.Path, help="worktree of an older commit")
    parser.add_argument("--only", default="", help="names of faults or rooms, with commas; or all")
    parser.add_argument(
        "--record", type=pathlib.Path, default=ROOT / "benchmarks" / "faults.json", help="JSON file"
    )
    parser.add_argument("--check", action="store_true", help="only check that all can be applied")
    asked = parser.parse_args(argv)
    trees = [Tree(NEW, ROOT)]
    if asked.old:
        trees.append(Tree(OLD, asked.old.expanduser().resolve()))
    try:
        pairs = selected(asked.only)
    except ValueError as error:
        parser.error(f"--only: {error}")
    if found := [problem for tree in trees for problem in problems(tree)]:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    return 0 if asked.check else run(pairs, trees, asked.record)


if __name__ == "__main__":
    sys.exit(main())
