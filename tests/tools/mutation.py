# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the plugins' utilities in one small way after the other, and see whether a unit test fails each time.

mutmut makes the mutants. Its own runner starts pytest for each of them, which takes longer than most tests do: here the tests
are collected once, and each mutant is a fork of that process, which runs the tests that reach its function until one fails.
What is known of tests and mutants stays in FOLDER, until it is removed. survivors.diff is for people.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import gc
import json
import math
import os
import resource
import select
import shutil
import signal
import sys
import traceback
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mutants import COLLECTION, WORKERS, Messages, copy, file_of, functions_of, original_of
from mutmut.mutation import trampoline

TESTS = "tests/unit/plugins"
MEMORY = 4 << 30
KILLED, SURVIVED, TIMEOUT, UNREACHED = "killed", "survived", "timeout", "not reached"
ENOUGH = 90.0
RESULTS, TRACES = "results.jsonl", "traces.jsonl"


# --- the tests ------------------------------------------------------------------------------------------------


@dataclass
class Trace:
    """What a test reaches without a mutant, and how many seconds it takes."""

    failed: bool
    seconds: float
    reached: list[str]


@dataclass(eq=False)
class Mutation:
    """A plugin of pytest that runs the collected tests on mutants, all in forks: each begins in a process that ran none."""

    folder: Path
    mutants: Mapping[str, str]
    limit: float
    failed: bool = False
    seconds: float = 0.0
    hits: set[str] = field(default_factory=set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a test's end."""
        self.failed = self.failed or report.failed
        self.seconds += report.duration

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Find out what each test reaches, then try the mutants."""
        self.session = session
        self.base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # there is no other way
        gc.freeze()
        traces = self.trace()
        self.tests: defaultdict[str, list[int]] = defaultdict(list)
        # By turns those that see little and those that see much in little time, and one example of each test before the second.
        examples: Counter[str] = Counter()
        few, many = {}, {}
        for number, trace in traces.items():
            test = session.items[number].nodeid.partition("[")[0]
            examples[test] += 1
            few[number] = trace.seconds * (1 + len(trace.reached)) * examples[test]
            many[number] = trace.seconds / (1 + len(trace.reached)) * examples[test]
        orders = (sorted(traces, key=lambda number: cost[number]) for cost in (few, many))
        for number in dict.fromkeys(number for pair in zip(*orders) for number in pair):
            for function in traces[number].reached:
                self.tests[function].append(number)
        self.traces = traces
        mutants = defaultdict(list)
        for name in self.mutants:
            mutants[name.partition("__mutmut_")[0]].append(name)
        numbers = {item.nodeid: number for number, item in enumerate(session.items)}
        self.killers: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for name, (_sum, _result, how) in lines_of(self.folder / RESULTS):
            if how in numbers:
                self.killers[file_of(name)][numbers[how]] += 1
        # In no order, so that what is known at any time is a fair sample.
        functions = sorted(mutants, key=lambda function: zlib.crc32(function.encode()))
        self.share(len(functions), lambda number: self.attack(functions[number], mutants[functions[number]]))
        return True

    def share(self, count: int, work: Callable[[int], None]) -> None:
        """Share pieces of work, by number, between processes."""
        todo, writing = os.pipe()
        os.write(writing, b"".join(number.to_bytes(4, "big") for number in range(count)))
        os.close(writing)
        workers = []
        for _worker in range(WORKERS):
            pid = os.fork()
            if pid:
                workers.append(pid)
                continue
            try:
                while piece := os.read(todo, 4):
                    work(int.from_bytes(piece, "big"))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(todo)
        for pid in workers:
            os.waitpid(pid, 0)

    def fork(self, work: Callable[[], str], seconds: float) -> str | None:
        """Do something in a process of its own and return what it says; None if it has said nothing in time."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.setpgid(0, 0)
                self.begin(seconds)
                os.write(writing, b"." + work().encode())
            except BaseException:
                with (self.folder / "errors.txt").open("a", encoding="utf-8") as file:
                    traceback.print_exc(file=file)
            finally:
                os._exit(0)
        os.close(writing)
        said = os.read(reading, 1 << 16) if select.select([reading], [], [], seconds)[0] else None
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _pid, status = os.waitpid(pid, 0)
        shutil.rmtree(self.base / str(pid), ignore_errors=True)
        if said is None or os.waitstatus_to_exitcode(status) == -signal.SIGXCPU:
            return None
        return said.decode()[1:]

    def begin(self, seconds: float) -> None:
        """Say nothing more, have temporary folders of one's own, and not all of the machine: what loops is ended soon."""
        config: Any = self.session.config
        config.pluginmanager.unregister(name="terminalreporter")
        config._tmp_path_factory._basetemp = self.base / str(os.getpid())
        config._tmp_path_factory._basetemp.mkdir()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds / 8), resource.RLIM_INFINITY))

    def run(self, numbers: Sequence[int]) -> Iterator[int]:
        """Run tests, and stop after each."""
        items = [self.session.items[number] for number in numbers]
        try:
            for number, item, following in zip(numbers, items, [*items[1:], None]):
                self.failed, self.seconds = False, 0.0
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                yield number
        finally:
            self.session._setupstate.teardown_exact(None)

    def trace(self) -> dict[int, Trace]:
        """Run all tests without a mutant, a file at a time, but those of which all is known."""
        known_at = self.folder / TRACES
        numbers = {item.nodeid: number for number, item in enumerate(self.session.items)}
        known = {test: Trace(*about) for test, about in lines_of(known_at)}
        files = defaultdict(list)
        for test, number in numbers.items():
            if test not in known:
                files[test.partition("::")[0]].append(number)
        names = list(files)

        def follow() -> None:
            trampoline.record_trampoline_hit = lambda name, caller: self.hits.add(name)
            # Not in the environment: what a test starts would write down what it reaches, and nobody would read it.
            trampoline._mutant_under_test = "stats"

        def work(piece: int) -> str:
            follow()
            for number in self.run(files[names[piece]]):
                add_line(known_at, self.session.items[number].nodeid, [self.failed, self.seconds, sorted(self.hits)])
                self.hits.clear()
            return "done"

        self.share(len(names), lambda piece: say(names[piece], self.fork(lambda: work(piece), 1800)))
        known = {test: Trace(*about) for test, about in lines_of(known_at)}
        for test in sorted(numbers):
            if test not in known or known[test].failed:
                print(f"Left out, since it fails without a mutant: {test}")
        return {numbers[test]: trace for test, trace in known.items() if test in numbers and not trace.failed}

    def attack(self, function: str, mutants: Sequence[str]) -> None:
        """Try all mutants of a function. The tests that killed one come first for the next."""
        counts: Counter[str] = Counter()
        room, here = self.killers[file_of(mutants[0])], Counter[int]()
        tests = self.tests[function]
        named = {number for number in tests if f"/test{file_of(function)}" in self.session.items[number].nodeid}
        for mutant in mutants:
            order: list[int] = []
            others = seconds = 0.0
            # Who has killed is tried first, then who bears the file's name: these all, of the others as many as may be.
            for number in sorted(tests, key=lambda number: (-here[number], -room[number], number not in named)):
                spent = self.traces[number].seconds
                others += 0.0 if number in named else spent
                if not order or number in named or others <= self.limit:
                    order.append(number)
                    seconds += spent

            def work(mutant: str = mutant, order: Sequence[int] = order) -> str:
                trampoline.set_mutant_under_test(mutant)
                return next((str(number) for number in self.run(order) if self.failed), SURVIVED)

            said = self.fork(work, 8 + 4 * seconds) if order else UNREACHED
            result = said if said in (SURVIVED, UNREACHED) else TIMEOUT if said is None else KILLED
            killer = int(said) if said and said.isdigit() else None
            if killer is not None:
                here[killer] += 1
                room[killer] += 1
            counts[result] += 1
            how = self.session.items[killer].nodeid if killer is not None else f"{len(order)} of {len(tests)}"
            add_result(self.folder, mutant, self.mutants[mutant], result, how)
        say(function, ", ".join(f"{count} {result}" for result, count in counts.items()))


# --- what is known --------------------------------------------------------------------------------------------


def say(what: str, result: str | None) -> None:
    """Tell of progress, in one piece: several processes do."""
    os.write(2, f"{what.rpartition('plugins.')[2]}: {'took too long' if result is None else result or 'died'}\n".encode())


def add_line(path: Path, name: str, about: list[Any]) -> None:
    """Write down one fact more, in one piece."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps([name, about]).encode() + b"\n")


def add_result(folder: Path, name: str, text: str, result: str, how: str) -> None:
    """Write down what has become of a mutant, for as long as it is the same."""
    add_line(folder / RESULTS, name, [zlib.crc32(text.encode()), result, how])


def lines_of(path: Path) -> list[tuple[str, list[Any]]]:
    """Return what has been written down."""
    return [tuple(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def known_in(folder: Path, functions: Mapping[str, str]) -> dict[str, str]:
    """Return the results that hold for the mutants as they are."""
    results = {(name, about[0]): about[1] for name, about in lines_of(folder / RESULTS)}
    found = {name: results.get((name, zlib.crc32(text.encode()))) for name, text in functions.items()}
    return {name: result for name, result in found.items() if result is not None}


def report(folder: Path, functions: Mapping[str, str]) -> float:
    """Print a table with a line for each file, write down who survived, and return how many of a hundred did not."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    survivors = []
    for name, result in known_in(folder, functions).items():
        rows[file_of(name)][result] += 1
        if result in (SURVIVED, UNREACHED):
            before, after = (functions[each].splitlines()[1:] for each in (original_of(name), name))
            changes = list(difflib.unified_diff(before, after, n=2, lineterm=""))[3:]
            survivors.append("\n".join([f"--- {name}: {result}", *changes, ""]))
    (folder / "survivors.diff").write_text("\n".join(survivors), encoding="utf-8")
    rows["together"] = sum(rows.values(), Counter())
    columns = (KILLED, TIMEOUT, SURVIVED, UNREACHED)
    print(f"\n{'':<18}{'mutants':>12}" + "".join(f"{column:>12}" for column in columns) + f"{'%':>8}")
    share = 0.0
    for file, row in rows.items():
        share = 100 * (row[KILLED] + row[TIMEOUT]) / max(row.total(), 1)
        print(f"{file:<18}{row.total():>12}" + "".join(f"{row[column]:>12}" for column in columns) + f"{share:>8.1f}")
    return share


def main() -> int:
    """Make the mutants, try them, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=float, default=5.0, help="seconds for one mutant, beside tests with the name of its file")
    parser.add_argument("--every", type=int, default=1, help="a sample: only one mutant of so many")
    parser.add_argument("--again", action="store_true", help="also what has survived before")
    parser.add_argument("--report", action="store_true", help="only what is known")
    parser.add_argument("files", nargs="*", help="only these, as in _planner")
    given = parser.parse_intermixed_args()
    folder = given.folder.resolve()
    target = folder / COLLECTION
    paths = [path for path in copy(target) if not given.files or path.stem in given.files]
    functions = {name: text for path in paths for name, text in functions_of(folder, path).items()}
    if not given.report:
        known = known_in(folder, functions)
        settled = (KILLED, TIMEOUT) if given.again else (KILLED, TIMEOUT, SURVIVED, UNREACHED)
        chosen = {
            name: text
            for name, text in functions.items()
            if not name.endswith("_orig") and known.get(name) not in settled and zlib.crc32(name.encode()) % given.every == 0
        }
        os.chdir(target)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(target / "tests"), os.environ.get("PYTHONPATH", "")])
        sys.path[:0] = [str(folder), str(target / "tests")]
        # Fewer than all are reached: each result is written down at once, whatever becomes of the rest.
        messages = Messages()
        for name in list(chosen):
            if messages.find(file_of(name), functions[original_of(name)], chosen[name]):
                add_result(folder, name, chosen.pop(name), KILLED, "tests/unit/test_messages.py")
        # Nobody reads why a test fails.
        pytest.main(["-q", "--assert=plain", "--tb=native", TESTS], plugins=[Mutation(folder, chosen, given.limit)])
    return report(folder, functions) < ENOUGH


if __name__ == "__main__":
    sys.exit(main())
